"""Finding records without an index: one after another, or anywhere after damage."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from labelcodec.container import batch_prefix, layout
from labelcodec.container.record import read_at
from labelcodec.errors import CorruptError

_CHUNK = 1 << 20
# Number of frames that must follow each other. Each reduces false candidates about 800-fold;
# checksumming a single one may cost 256 MiB.
_CHAIN = 3
_FIRST_CHUNK = 1 << 9  # damage is often a single record among small ones

# A known tag and a length whose high byte is within the limits; a lookahead, so that candidates
# may overlap.
_CANDIDATE = re.compile(rb"(?=[SBIn][\s\S]{3}[\x00-\x10])")


@dataclass(frozen=True, slots=True)
class Found:
    """An intact record.

    Attributes:
        tag, offset, size: as in `Section`.
        head: first bytes of the payload, enough for a batch's prefix.
    """

    tag: bytes
    offset: int
    size: int
    head: bytes


@dataclass
class Budget:
    """Number of bytes that may still be checksummed, which bounds the time of a scan."""

    left: int


def probe(fd: int, offset: int, end: int, budget: Budget, path: Path) -> Found:
    """Read the record at `offset` in chunks and verify its checksum.

    Args:
        fd: the file.
        offset: byte offset of the record's tag.
        end: byte offset at which the record must end at the latest.
        budget: reduced by the record's length.
        path: the file, for error messages.

    Raises:
        CorruptError: there is no intact record, or the budget is spent.
    """
    where = f"{path}: byte {offset}"
    if end - offset < layout.FRAME.size:
        raise CorruptError(f"{where}: {end - offset} bytes left, less than a record's frame")
    frame = read_at(fd, offset, layout.FRAME.size, path)
    tag, length, crc = layout.FRAME.unpack(frame)
    room = end - offset - layout.FRAME.size
    if not tag.isalpha():
        raise CorruptError(f"{where}: found {tag!r}, expected a record's tag")
    if length > min(room, layout.limit(tag)):
        raise CorruptError(
            f"{where}: a {tag.decode()!r} record of {length} bytes, {room} are left and "
            f"{layout.limit(tag)} allowed"
        )
    budget.left -= length
    if budget.left < 0:
        raise CorruptError(f"{where}: too much damage, the search for records ends here")
    payload = offset + layout.FRAME.size
    actual = _crc(fd, payload, length, zlib.crc32(frame[: layout.CHECKED]), path)
    if actual != crc:
        raise CorruptError(
            f"{where}: checksum of the {tag.decode()!r} record is {actual:#010x}, "
            f"expected {crc:#010x}"
        )
    head = read_at(fd, payload, min(length, batch_prefix.LONGEST), path)
    return Found(tag, offset, layout.FRAME.size + length, head)


def find(fd: int, start: int, end: int, budget: Budget, path: Path) -> Found | None:
    """The first intact record at or after `start`; None if there is none.

    A candidate is a known tag with a plausible length that is followed by two more candidates, the
    index, or the end of the file. Only candidates are checksummed.

    Args:
        fd: the file.
        start: byte offset at which to start.
        end: byte offset at which to stop.
        budget: bytes that may be checksummed.
        path: the file, for error messages.
    """
    size = _FIRST_CHUNK
    while start < end and budget.left >= 0:
        data = os.pread(fd, min(size + layout.CHECKED - 1, end - start), start)
        for match in _CANDIDATE.finditer(data):
            offset = start + match.start()
            if not _leads_on(fd, offset, end):
                continue
            try:
                return probe(fd, offset, end, budget, path)
            except CorruptError:
                continue
        start += size
        size = min(2 * size, _CHUNK)
    return None


def _leads_on(fd: int, offset: int, end: int) -> bool:
    """Whether a chain of plausible frames starts at `offset`."""
    for _ in range(_CHAIN):
        if end - offset < layout.FRAME.size:
            return True  # the last record may be torn
        tag, length, _ = layout.FRAME.unpack(os.pread(fd, layout.FRAME.size, offset))
        if tag not in layout.KNOWN or length > layout.limit(tag):
            return False
        offset += layout.FRAME.size + length
        if tag == layout.INDEX:
            return bool(offset + layout.TRAILER.size >= end)  # the trailer may be torn
    return True


def _crc(fd: int, offset: int, length: int, crc: int, path: Path) -> int:
    """CRC-32 of `length` bytes at `offset`, continued from `crc`."""
    end = offset + length
    for at in range(offset, end, _CHUNK):
        crc = zlib.crc32(read_at(fd, at, min(_CHUNK, end - at), path), crc)
    return crc

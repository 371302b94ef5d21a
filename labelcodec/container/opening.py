"""Opens a finished container: preamble, trailer, index, header, every length checked."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from labelcodec.container import layout
from labelcodec.container.header import decode_header
from labelcodec.container.index import Index, Section, decode
from labelcodec.container.paths import partial_of
from labelcodec.container.record import check_preamble, open_file, read_at, read_record
from labelcodec.container.walk import Budget, probe
from labelcodec.errors import CorruptError, MismatchError


@dataclass(frozen=True)
class Opened:
    """An open container and what was read of it; the owner closes `fd`."""

    fd: int
    size: int
    mtime_ns: int
    version: tuple[int, int]
    header: dict[str, Any]
    index: Index

    @cached_property
    def sides(self) -> tuple[Section, ...]:
        """The side information records; their position is their number."""
        return self.index.of(layout.SIDE_INFORMATION)


def open_container(path: Path, identity: tuple[int, int] | None) -> Opened:
    """Open `path`, which must have the size and modification time of `identity` if given."""
    try:
        fd = open_file(path)
    except FileNotFoundError:
        if partial_of(path).exists():
            raise CorruptError(
                f"{path}: was never finished, there is only {partial_of(path)}; resume the run "
                f"that wrote it, or run `labelcodec repair {path}`"
            ) from None
        raise
    try:
        status = os.fstat(fd)
        found = (status.st_size, status.st_mtime_ns)
        if identity not in (None, found):
            raise MismatchError(
                f"{path}: changed since it was opened: size and modification time are {found}, "
                f"expected {identity}"
            )
        version, header, index = _read_opening(fd, status.st_size, path)
        return Opened(fd, *found, version, header, index)
    except BaseException:
        os.close(fd)
        raise


def _read_opening(fd: int, size: int, path: Path) -> tuple[tuple[int, int], dict[str, Any], Index]:
    preamble = os.pread(fd, layout.PREAMBLE.size, 0)
    version = check_preamble(preamble, path)
    index_offset, index_size = _read_trailer(fd, size, preamble, path)
    payload = read_record(fd, index_offset, index_size, layout.INDEX, path)
    index = decode(payload, index_offset, path)
    first = index.sections[0]
    header = read_record(fd, first.offset, first.size, layout.HEADER, path)
    return version, decode_header(header, path), index


def _read_trailer(fd: int, size: int, preamble: bytes, path: Path) -> tuple[int, int]:
    """Offset and size of the index record, both inside the file."""
    start = size - layout.TRAILER.size
    if start < layout.PREAMBLE.size:
        raise CorruptError(f"{path}: only {size} bytes, the file was cut short; copy it again")
    data = read_at(fd, start, layout.TRAILER.size, path)
    index_offset, index_size, crc, end = layout.TRAILER.unpack(data)
    actual = zlib.crc32(data[: layout.TRAILER_CHECKED], zlib.crc32(preamble))
    least, most = layout.FRAME.size, layout.FRAME.size + layout.limit(layout.INDEX)
    if end != layout.END_MAGIC:
        problem = (
            f"byte {size - len(end)}: found {end!r}, expected {layout.END_MAGIC!r}: the file is "
            "truncated or was never finished"
        )
    elif actual != crc:
        problem = (
            f"byte {start}: checksum of preamble and trailer is {actual:#010x}, expected "
            f"{crc:#010x}"
        )
    elif not least <= index_size <= most or index_offset + index_size != start:
        problem = (
            f"byte {start}: the trailer puts the index at bytes {index_offset}.."
            f"{index_offset + index_size}, expected to end at byte {start}"
        )
    else:
        return index_offset, index_size
    raise CorruptError(f"{path}: {problem}; {_remedy(fd, size, path)}")


def _remedy(fd: int, size: int, path: Path) -> str:
    """What helps a file without a sound trailer; it is searched up to its first batch."""
    position, budget = layout.PREAMBLE.size, Budget(size)
    try:
        while (record := probe(fd, position, size, budget, path)).tag != layout.BATCH:
            position += record.size
    except CorruptError:
        return "copy the file again"
    return f"`labelcodec repair {path}` saves what is intact"

"""Opening of a finished container: preamble, trailer, index, header, all lengths checked."""

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
    """An open container; the owner closes `fd`.

    Attributes:
        fd: file descriptor, unless it was closed again.
        size: size of the file in bytes.
        mtime_ns: modification time in nanoseconds.
        version: major and minor version.
        header: the header map.
        index: the index.
    """

    fd: int
    size: int
    mtime_ns: int
    version: tuple[int, int]
    header: dict[str, Any]
    index: Index

    @cached_property
    def sides(self) -> tuple[Section, ...]:
        """The side information records, by number."""
        return self.index.of(layout.SIDE_INFORMATION)


def open_container(path: Path, identity: tuple[int, int] | None) -> Opened:
    """Open a finished container.

    Args:
        path: the container.
        identity: expected size and modification time (ns); None for any.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the file is not a container.
        CorruptError: the file is truncated or damaged, or was never finished.
        MismatchError: the file has another size or modification time.
    """
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
        actual = check_identity(fd, identity, path)
        version, header, index = _read_opening(fd, actual[0], path)
        return Opened(fd, *actual, version, header, index)
    except BaseException:
        os.close(fd)
        raise


def check_identity(fd: int, identity: tuple[int, int] | None, path: Path) -> tuple[int, int]:
    """Size and modification time (ns) of an open file, which must be `identity` unless None.

    Raises:
        MismatchError: they are others.
    """
    status = os.fstat(fd)
    actual = (status.st_size, status.st_mtime_ns)
    if identity not in (None, actual):
        raise MismatchError(
            f"{path}: changed since it was opened: size and modification time are {actual}, "
            f"expected {identity}"
        )
    return actual


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
    """Offset and size of the index record, both checked to be inside the file."""
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
    """Advice for a file without a valid trailer: searches it up to its first batch."""
    position, budget = layout.PREAMBLE.size, Budget(size)
    try:
        while (record := probe(fd, position, size, budget, path)).tag != layout.BATCH:
            position += record.size
    except CorruptError:
        return "copy the file again"
    return f"`labelcodec repair {path}` saves what is intact"

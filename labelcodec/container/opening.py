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
from labelcodec.container.record import check_preamble, read_at, read_record
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
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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
    remedy = f"run `labelcodec repair {path}`"
    if start < layout.PREAMBLE.size:
        raise CorruptError(f"{path}: only {size} bytes, the file was cut short; {remedy}")
    data = read_at(fd, start, layout.TRAILER.size, path)
    index_offset, index_size, crc, end = layout.TRAILER.unpack(data)
    if end != layout.END_MAGIC:
        raise CorruptError(
            f"{path}: byte {size - len(end)}: found {end!r}, expected {layout.END_MAGIC!r}: the "
            f"file is truncated or was never finished; {remedy}"
        )
    actual = zlib.crc32(data[: layout.TRAILER_CHECKED], zlib.crc32(preamble))
    if actual != crc:
        raise CorruptError(
            f"{path}: byte {start}: checksum of preamble and trailer is {actual:#010x}, expected "
            f"{crc:#010x}; {remedy}"
        )
    least, most = layout.FRAME.size, layout.FRAME.size + layout.limit(layout.INDEX)
    if not least <= index_size <= most or index_offset + index_size != start:
        raise CorruptError(
            f"{path}: byte {start}: the trailer puts the index at bytes {index_offset}.."
            f"{index_offset + index_size}, expected to end at byte {start}; {remedy}"
        )
    return index_offset, index_size

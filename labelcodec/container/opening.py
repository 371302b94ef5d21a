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
from labelcodec.container.index_size import expected_tail
from labelcodec.container.record import DAMAGED_ELSEWHERE, check_preamble, open_file, payload_of
from labelcodec.container.source import Source, check_identity, open_source
from labelcodec.container.walk import Budget, probe
from labelcodec.errors import CorruptError, FormatError
from labelcodec.remote import Identity, Location

_FETCHES = 3  # of what comes damaged from elsewhere


@dataclass(frozen=True)
class Opened:
    """An open container; the owner closes `source`.

    Attributes:
        source: its bytes.
        version: major and minor version.
        header: the header map.
        index: the index.
    """

    source: Source
    version: tuple[int, int]
    header: dict[str, Any]
    index: Index

    @cached_property
    def sides(self) -> tuple[Section, ...]:
        """The side information records, by number."""
        return self.index.of(layout.SIDE_INFORMATION)


def open_container(location: Location, identity: Identity | None, hold: bool = True) -> Opened:
    """Open a finished container.

    One that is elsewhere takes two requests: its first bytes, and its last ones with the index.

    Args:
        location: the container.
        identity: expected identity, see `Source`; None for any.
        hold: whether a local file stays open.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the file is not a container.
        CorruptError: the file is truncated or damaged, or was never finished.
        MismatchError: the file is not the one with this identity.
        RemoteError: the file is elsewhere and cannot be reached.
    """
    source = open_source(location, hold)
    try:
        check_identity(source.identity, identity, location)
        for _ in range(_FETCHES - 1):  # what comes damaged from elsewhere comes again
            try:
                return Opened(source, *_read_opening(source, location))
            except FormatError:
                if not source.forget(0, source.size):
                    raise
        return Opened(source, *_read_opening(source, location))
    except BaseException:
        source.close()
        raise


def _read_opening(source: Source, path: Location) -> tuple[tuple[int, int], dict[str, Any], Index]:
    preamble = source.read(0, min(layout.PREAMBLE.size, source.size))
    version = check_preamble(preamble, path)
    tail = min(expected_tail(source.head, source.size), source.size - len(source.head))
    if source.head and tail > 0:
        source.read_ahead([(source.size - tail, tail)])
    index_offset, index_size = _read_trailer(source, preamble, path)
    payload = _record(source, index_offset, index_size, layout.INDEX, path)
    index = decode(payload, index_offset, path)
    first = index.sections[0]
    header = _record(source, first.offset, first.size, layout.HEADER, path)
    return version, decode_header(header, path), index


def _record(source: Source, offset: int, size: int, tag: bytes, path: Location) -> memoryview:
    return payload_of(source.read(offset, size), offset, tag, path)


def _read_trailer(source: Source, preamble: bytes, path: Location) -> tuple[int, int]:
    """Offset and size of the index record, both checked to be inside the file."""
    size = source.size
    start = size - layout.TRAILER.size
    if start < layout.PREAMBLE.size:
        raise CorruptError(f"{path}: only {size} bytes, the file was cut short; copy it again")
    data = source.read(start, layout.TRAILER.size)
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
    raise CorruptError(f"{path}: {problem}; {_remedy(source, path)}")


def _remedy(source: Source, path: Location) -> str:
    """Advice for a file without a valid trailer: searches a local one up to its first batch."""
    if not isinstance(path, Path):
        return DAMAGED_ELSEWHERE
    position, budget = layout.PREAMBLE.size, Budget(source.size)
    fd = open_file(path)
    try:
        while (record := probe(fd, position, source.size, budget, path)).tag != layout.BATCH:
            position += record.size
    except CorruptError:
        return "copy the file again"
    finally:
        os.close(fd)
    return f"`labelcodec repair {path}` saves what is intact"

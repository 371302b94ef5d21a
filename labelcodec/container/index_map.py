"""Streaming reader for the index's msgpack map.

An ordinary unpack would build whatever nested lists the bytes describe, at about 60 bytes of
memory per byte of input. This reader builds only integers and one byte string.
"""

from __future__ import annotations

from typing import Any

import msgpack

from labelcodec.container import layout

_KEYS = 64  # ample for later minor versions
_UNSIGNED = frozenset(range(0x80)) | {0xCC, 0xCD, 0xCE, 0xCF}
_STRING = frozenset(range(0xA0, 0xC0)) | {0xD9}
_BINARY = frozenset({0xC4, 0xC5, 0xC6})

SectionEntry = tuple[int, int, int]


def read_map(payload: memoryview) -> tuple[list[SectionEntry], int, bytes]:
    """Read the index map.

    Returns:
        Sections as (tag, offset, size), the number of batches, and the compressed columns.

    Raises:
        ValueError: the payload is not such a map.
        msgpack.UnpackException: the payload is not msgpack.
    """
    reader = _Reader(payload)
    sections: list[SectionEntry] | None = None
    count: int | None = None
    batches: bytes | None = None
    seen: set[str] = set()
    for _ in range(reader.length(map_of=_KEYS)):
        key = reader.string()
        if key in seen:
            raise ValueError(f"key {key!r} occurs twice")
        seen.add(key)
        if key == "sections":
            sections = [reader.section() for _ in range(reader.length(layout.MAX_SECTIONS))]
        elif key == "count":
            count = reader.unsigned()
        elif key == "batches":
            batches = reader.binary()
        else:  # key of a later minor version
            reader.unpacker.skip()
    if sections is None or count is None or batches is None:
        raise ValueError("'sections', 'count' or 'batches' is missing")
    if reader.unpacker.tell() != len(payload):
        raise ValueError("bytes follow the map")
    return sections, count, batches


class _Reader:
    """Reads typed values from msgpack bytes."""

    def __init__(self, payload: memoryview) -> None:
        self.payload = payload
        self.unpacker = msgpack.Unpacker(
            raw=False, strict_map_key=True, max_buffer_size=max(len(payload), 1)
        )
        self.unpacker.feed(payload)

    def length(self, array_of: int = 0, *, map_of: int = 0) -> int:
        """Read the head of an array of at most `array_of` values, or a map of at most `map_of`."""
        unpacker = self.unpacker
        count = int(unpacker.read_map_header() if map_of else unpacker.read_array_header())
        if count > (array_of or map_of):
            raise ValueError(f"{count} entries, allowed are {array_of or map_of}")
        return count

    def section(self) -> SectionEntry:
        if self.length(3) != 3:
            raise ValueError("a section is not [tag, offset, size]")
        tag, offset, size = self.unsigned(), self.unsigned(), self.unsigned()
        if tag > 0xFF or max(offset, size) > layout.MAX_NUMBER:
            raise ValueError("a section's tag, offset or size is out of range")
        return tag, offset, size

    def unsigned(self) -> int:
        return int(self._value(_UNSIGNED, "unsigned integer"))

    def string(self) -> str:
        return str(self._value(_STRING, "short string"))

    def binary(self) -> bytes:
        return bytes(self._value(_BINARY, "byte string"))

    def _value(self, allowed: frozenset[int], name: str) -> Any:
        at = self.unpacker.tell()
        if at >= len(self.payload) or self.payload[at] not in allowed:
            raise ValueError(f"no {name} at byte {at} of the map")
        return self.unpacker.unpack()

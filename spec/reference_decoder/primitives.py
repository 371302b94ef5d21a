"""Integers, bits, zstd frames and maps (SPEC, section 2)."""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import zstandard

Row = list[int]
Arrays = dict[str, Any]


class Invalid(Exception):
    """The file breaks a clause, or needs what version 1.2 does not have."""


def need(good: bool, clause: str) -> None:
    """Refuse the file unless `good`."""
    if not good:
        raise Invalid(f"clause {clause}")


class Bytes:
    """Bytes read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes [G-4]."""
        need(0 <= size <= len(self.data) - self.at, "G-4")
        self.at += size
        return self.data[self.at - size : self.at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self.data) - self.at)

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """Little-endian values [G-1]."""
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def varint(self) -> int:
        """An unsigned variable-length integer [G-2]."""
        value = 0
        for i in range(9):
            byte = self.byte()
            value |= (byte & 127) << 7 * i
            if byte < 128:
                return value
        raise Invalid("clause G-2")

    def signed(self) -> int:
        """A signed one [G-3]."""
        value = self.varint()
        return value >> 1 if value % 2 == 0 else -(value + 1 >> 1)

    def close(self) -> None:
        """Everything was read."""
        need(self.at == len(self.data), "G-5")


class Bits:
    """Bits read from the lowest of the first byte on [G-6]."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, width: int) -> int:
        """The next `width` bits as an unsigned integer."""
        need(self.at + width <= 8 * len(self.data), "G-4")
        first, last = self.at // 8, (self.at + width + 7) // 8
        value = int.from_bytes(self.data[first:last], "little") >> self.at % 8
        self.at += width
        return value & (1 << width) - 1

    def close(self) -> None:
        """Everything was read."""
        need((self.at + 7) // 8 == len(self.data), "G-5")


def inflate(data: bytes, low: int, high: int) -> bytes:
    """The one zstd frame that `data` is, its declared size in low..high [G-7]."""
    try:
        size = zstandard.frame_content_size(data)
        need(low <= size <= high, "G-7")
        worker = zstandard.ZstdDecompressor().decompressobj()
        content = worker.decompress(data)
    except zstandard.ZstdError as error:
        raise Invalid(f"clause G-7: {error}") from error
    need(worker.eof and not worker.unused_data and len(content) == size, "G-7")
    return content


def unpack_map(data: bytes, clause: str) -> dict[str, Any]:
    """A msgpack map with distinct string keys [G-8]."""

    def distinct(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
        need(len(dict(pairs)) == len(pairs) and all(isinstance(k, str) for k, _ in pairs), "G-8")
        return dict(pairs)

    value = msgpack.unpackb(data, raw=False, object_pairs_hook=distinct, max_ext_len=0)
    need(isinstance(value, dict), clause)
    return dict(value)

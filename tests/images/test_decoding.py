"""Headers that say more than an image can hold are refused before anything is decoded."""

from __future__ import annotations

import io
import struct
import zlib

import pytest

from labelcodec.errors import MismatchError
from labelcodec.images.decoding import MAX_SIDE, decode, header_size, problem_of


def chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def png(width: int, height: int) -> io.BytesIO:
    """A PNG file with this header and next to no pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(bytes(9))), (b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


@pytest.mark.parametrize("size", [(1, 80_000_000), (MAX_SIDE + 1, 1)])
def test_sides_without_end(size) -> None:
    for read in (header_size, decode):
        with pytest.raises(MismatchError, match="sides of up to 65535 are read"):
            read(png(*size), "a.png")
    assert "65535" in problem_of(png(*size))


def test_the_longest_side() -> None:
    assert header_size(png(MAX_SIDE, 1), "a.png") == (1, MAX_SIDE)

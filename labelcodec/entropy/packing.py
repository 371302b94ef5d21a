"""Columns without entropy coding: bit-packed integers, floats as byte planes (SPEC 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from labelcodec.entropy import varint
from labelcodec.entropy.backend import coders
from labelcodec.errors import CorruptError, DataError

MAX_BITS = 62  # of a packed integer
STORED, COMPRESSED = 0, 1  # forms of a float column
ZSTD_LEVEL = 9


def pack_ints(values: NDArray[Any]) -> bytes:
    """Pack integers: smallest value (zigzag), bits per value, differences to the smallest.

    Raises:
        DataError: the values span more than 62 bits.
    """
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    width = _width(low, high)
    return _head(low, width) + pack_fixed(values.astype(np.int64).ravel() - low, width)


def pack_few_ints(values: Sequence[int]) -> bytes:
    """Pack a few integers, at least one, without the cost of an array; the bytes of `pack_ints`.

    Raises:
        DataError: the values span more than 62 bits.
    """
    low = min(values)
    width = _width(low, max(values))
    bits = sum((value - low) << i * width for i, value in enumerate(values))
    return _head(low, width) + bits.to_bytes((len(values) * width + 7) // 8, "little")


def _width(low: int, high: int) -> int:
    """Bits per value of a packed column."""
    width = (high - low).bit_length()
    if width > MAX_BITS or not -(1 << 62) <= low < 1 << 62:
        raise DataError(f"integers from {low} to {high} are too wide a range")
    return width


def _head(low: int, width: int) -> bytes:
    return varint.encode(varint.zigzag(low)) + bytes([width])


def unpack_ints(data: memoryview, count: int) -> tuple[NDArray[np.int64], memoryview]:
    """Unpack `count` integers; also returns the data after them.

    Raises:
        CorruptError: the data is too short, or its width is impossible.
    """
    low, position = varint.decode(data, 0)
    low = varint.unzigzag(low)
    width = data[position] if position < len(data) else MAX_BITS + 1
    if width > MAX_BITS or not -(1 << 62) <= low < 1 << 62:
        raise CorruptError("a packed column has an impossible width")
    position += 1
    end = position + (count * width + 7) // 8
    if end > len(data):
        raise CorruptError("a packed column is too short")
    return coders().unpack_column(data[position:end], width, low, count), data[end:]


def unpack_all_ints(data: memoryview, count: int, what: str) -> NDArray[np.int64]:
    """Unpack `count` integers that fill the data.

    Args:
        data: the packed column.
        count: number of integers.
        what: name of the integers in error messages.

    Raises:
        CorruptError: the data is too short or too long, or its width is impossible.
    """
    values, rest = unpack_ints(data, count)
    if len(rest):
        raise CorruptError(f"{len(rest)} bytes too many behind the {what}")
    return values


def pack_fixed(values: NDArray[Any], width: int) -> bytes:
    """Pack unsigned integers of `width` (0..62) bits each, lowest bit first."""
    return bytes(coders().pack_fixed(values.ravel(), width).tobytes())


def unpack_fixed(data: memoryview, count: int, width: int) -> tuple[NDArray[Any], memoryview]:
    """Unpack `count` integers of `width` bits; also returns the data after them.

    Args:
        data: the packed column.
        count: number of integers.
        width: bits per integer, 0..62.

    Returns:
        (count,) uint32 or, above 32 bits, uint64 values, and the rest of the data.

    Raises:
        CorruptError: the data is too short.
    """
    size = (count * width + 7) // 8
    if len(data) < size:
        raise CorruptError("a packed column is too short")
    values = np.empty(count, np.uint32 if width <= 32 else np.uint64)
    coders().unpack_fixed(np.frombuffer(data[:size], np.uint8), width, values)
    return values, data[size:]


def pack_floats(values: NDArray[Any]) -> bytes:
    """Pack floats as byte planes, lowest bytes first; zstd-compressed if that is shorter."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    planes = little.view(np.uint8).reshape(-1, values.dtype.itemsize).T.tobytes()
    packed = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(planes)
    if len(packed) < len(planes):
        return bytes([COMPRESSED]) + packed
    return bytes([STORED]) + planes


def unpack_floats(data: memoryview, dtype: Any, count: int) -> NDArray[Any]:
    """Unpack floats that fill the data.

    Args:
        data: the packed column.
        dtype: type of the values.
        count: number of values.

    Raises:
        CorruptError: the data is of another size, or its zstd frame is broken.
    """
    kind = np.dtype(dtype).newbyteorder("<")
    size = count * kind.itemsize
    if not data or data[0] not in (STORED, COMPRESSED):
        raise CorruptError("a float column of unknown form")
    planes = bytes(data[1:]) if data[0] == STORED else decompress(data[1:], size)
    if len(planes) != size:
        raise CorruptError(f"a float column has {len(planes)} bytes, expected {size}")
    little = np.frombuffer(planes, np.uint8).reshape(kind.itemsize, count).T.copy()
    values: NDArray[Any] = little.view(kind).reshape(count).astype(dtype, copy=False)
    return values


def decompress(data: memoryview | bytes, size: int) -> bytes:
    """Decompress one zstd frame that must declare exactly `size` bytes.

    The declared size is checked before anything is allocated.

    Raises:
        CorruptError: it declares another size, or is broken.
    """
    try:
        declared = zstandard.frame_content_size(data)
        if declared != size:
            raise CorruptError(f"a zstd frame declares {declared} bytes, expected {size}")
        if size == 0:
            return b""
        return zstandard.ZstdDecompressor().decompress(
            data, max_output_size=size, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise CorruptError(f"a zstd frame is broken: {error}") from None

"""Packed integers and float columns (SPEC, section 5.2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .primitives import Bits, Bytes, Row, inflate, need


def fixed(data: Bytes, count: int, width: int) -> Row:
    """Integers of `width` bits [B-6]."""
    bits = Bits(data.take((count * width + 7) // 8))
    return [bits.take(width) for _ in range(count)]


def integers(data: Bytes, count: int) -> Row:
    """A packed integer column [B-7]."""
    low, width = data.signed(), data.byte()
    need(width <= 62 and -(1 << 62) <= low < 1 << 62, "B-7")
    return [low + value for value in fixed(data, count, width)]


def floats(data: bytes, kind: str, count: int) -> Any:
    """A float column [B-8]."""
    dtype = np.dtype(kind).newbyteorder("<")
    size = count * dtype.itemsize
    need(data[:1] in (b"\0", b"\1"), "B-8")
    planes = data[1:] if data[0] == 0 else inflate(data[1:], size, size)
    need(len(planes) == size, "B-8")
    little = np.frombuffer(planes, np.uint8).reshape(dtype.itemsize, count).T.tobytes()
    return np.frombuffer(little, dtype).astype(kind)


def whole_integers(data: bytes, count: int) -> Any:
    """A packed integer column that fills its data."""
    source = Bytes(data)
    values = integers(source, count)
    source.close()
    return np.array(values, np.int64)

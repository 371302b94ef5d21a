"""A tensor of a dump."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# numpy has no bfloat16: its bits are read as uint16.
BITS_OF_BFLOAT16 = np.dtype(np.uint16)


@dataclass(frozen=True, eq=False, slots=True)
class Tensor:
    """A tensor that was read from a file or will be written to one.

    Attributes:
        dtype: torch's name of the dtype, such as 'float16'.
        stored: the values as they are in the file, perhaps unaligned, in another byte order or
            read-only. Of `dtype`; for 'bfloat16', uint16 with the same bits.
    """

    dtype: str
    stored: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.stored.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.stored.ndim

    @property
    def nbytes(self) -> int:
        """Size of the values in bytes."""
        return math.prod(self.stored.shape) * self.stored.itemsize

    def numpy(self) -> NDArray[Any]:
        """The values, aligned and in native byte order; bfloat16 becomes float32, exactly."""
        array = native(self.stored)
        if self.dtype != "bfloat16":
            return array
        bits = array.astype(np.uint32)
        bits <<= np.uint32(16)
        return bits.view(np.float32)

    def item(self) -> Any:
        """The only value, as a Python number."""
        return (self.numpy() if self.dtype in ("bfloat16", "bool") else self.stored).item()


def native(array: NDArray[Any]) -> NDArray[Any]:
    """An array as the machine computes with it, copied only if it must be.

    That is aligned, in native byte order, and with 0 and 1 as the only bytes of bools.
    """
    if array.dtype.kind == "b":
        return np.asarray(array.view(np.uint8) != 0)
    if not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    return array if array.flags.aligned else array.copy()


def to_bfloat16(array: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round float32 to the nearest bfloat16, ties to even; NaN stays NaN. Returns the bits."""
    bits = np.ascontiguousarray(array).view(np.uint32)
    upper = bits >> np.uint32(16)
    carry = np.uint32(0x7FFF) + (upper & np.uint32(1))
    rounded = (bits + carry) >> np.uint32(16)
    quiet = upper | np.where(bits & np.uint32(0xFFFF), np.uint32(0x40), np.uint32(0))
    return np.where(np.isnan(array), quiet, rounded).astype(np.uint16).reshape(array.shape)

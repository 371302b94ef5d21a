"""Label values as integers: their bits, and integers in the values' own order (SPEC 7.1, 8.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Precision
from labelcodec.errors import DataError


@dataclass(frozen=True)
class FloatLayout:
    """Bits of a floating-point type: total and mantissa; the sign is the highest."""

    width: int
    mantissa: int

    @property
    def storage(self) -> Any:
        """Unsigned type that holds the bits."""
        return np.uint16 if self.width == 16 else np.uint32


LAYOUTS: dict[Precision, FloatLayout] = {
    "float16": FloatLayout(16, 10),
    "bfloat16": FloatLayout(16, 7),
    "float32": FloatLayout(32, 23),
}


def to_bits(value: NDArray[Any], precision: Precision) -> NDArray[Any]:
    """Bit patterns, uint16 or uint32. bfloat16 is the upper half of the float32 that holds it."""
    if precision == "bfloat16":
        upper: NDArray[Any] = (value.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return upper
    return np.ascontiguousarray(value, precision).view(LAYOUTS[precision].storage)


def from_bits(bits: NDArray[Any], precision: Precision) -> NDArray[Any]:
    """Inverse of `to_bits`: float16, or float32 for the two others."""
    if precision == "bfloat16":
        return (bits.astype(np.uint32) << 16).view(np.float32)
    return bits.astype(LAYOUTS[precision].storage, copy=False).view(precision)


def trailing_zeros(bits: NDArray[Any]) -> int:
    """Low bits that are zero in every pattern (half precision kept in float32 has 13)."""
    seen = int(np.bitwise_or.reduce(bits, axis=None)) if bits.size else 0
    return (seen & -seen).bit_length() - 1 if seen else 0


def to_levels(bits: NDArray[Any], width: int) -> NDArray[np.int64]:
    """Integers in the order of the values: negatives' bits inverted, positives' sign set."""
    wide = bits.astype(np.int64)
    sign, top = wide >> (width - 1), 1 << (width - 1)
    return np.where(sign == 1, (top << 1) - 1 - wide, wide | top)


def from_levels(levels: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Inverse of `to_levels`."""
    top = 1 << (width - 1)
    negative = (levels >> (width - 1)) - 1  # all ones, 0 for positives
    return levels ^ (top | (negative & (top - 1)))


def all_finite(value: NDArray[Any]) -> bool:
    """Whether no value is NaN or infinite: none has all exponent bits set."""
    precision: Precision = "float16" if value.dtype == np.float16 else "float32"
    layout = LAYOUTS[precision]
    bits, sign = to_bits(value, precision), 1 << (layout.width - 1)
    infinite = sign - (1 << layout.mantissa)
    # as signed integers the positive values are above all others, as unsigned the negative ones
    positive = np.maximum.reduce(bits.view(f"i{bits.itemsize}"), axis=None, initial=0)
    negative = np.maximum.reduce(bits, axis=None, initial=0)
    return int(positive) < infinite and int(negative) < sign + infinite


def nonfinite_labels(labels: Labels) -> int:
    """Number of labels with a NaN or infinite value; compact labels have none."""
    if labels.compact is not None or all_finite(labels.value):
        return 0
    broken = ~np.isfinite(labels.value)
    if labels.count is not None:
        broken &= np.arange(broken.shape[1]) < labels.count[:, None]  # padding may be -inf
    return int(broken.any(axis=1).sum())


def check_type(labels: Labels) -> None:
    """Check that values have the type of their precision, so that no bit is lost.

    Raises:
        DataError: another type, or float32 values that are not bfloat16 where they should be.
    """
    expected = "float16" if labels.precision == "float16" else "float32"
    if labels.value.dtype != expected:
        raise DataError(
            f"label values are {labels.value.dtype}, {labels.precision} labels need {expected}"
        )
    if labels.precision == "bfloat16" and (labels.value.view(np.uint32) & 0xFFFF).any():
        raise DataError("label values have more bits than bfloat16 holds")


def rounded(value: NDArray[Any], precision: Precision) -> NDArray[Any]:
    """Round values to `precision`; bfloat16 values are returned in float32."""
    if precision != "bfloat16":
        return value.astype(precision, copy=False)
    bits = value.astype(np.float32).view(np.uint32)
    nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)  # round half to even
    return np.where(np.isnan(value), value, nearest.view(np.float32))

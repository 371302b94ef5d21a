"""The weights with which Pillow resizes, for a batch of crops of different sizes.

Formulas and constants are those of Pillow's `Resample.c`: the filter is widened where the image
shrinks, weights sum to 1 and are rounded to multiples of 2^-22.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = 22
UNIT = 1 << BITS
SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}


@dataclass(frozen=True, eq=False)
class Taps:
    """Which pixels every output pixel is a weighted sum of, along one axis.

    Attributes:
        first: (B, out) int64, the first of them.
        weight: (B, out, n) int64 in units of 2^-22; 0 behind the last of them.
    """

    first: NDArray[np.int64]
    weight: NDArray[np.int64]

    def part(self, chosen: NDArray[np.bool_]) -> Taps:
        """Those of some samples."""
        return Taps(self.first[chosen], self.weight[chosen])

    def mirrored(self, flip: NDArray[np.bool_]) -> Taps:
        """The output pixels of the samples that are flipped in reverse order."""
        first, weight = self.first.copy(), self.weight.copy()
        first[flip], weight[flip] = first[flip, ::-1], weight[flip, ::-1]
        return Taps(first, weight)


def taps(start: NDArray[Any], extent: NDArray[Any], out: int, interpolation: str) -> Taps:
    """Weights that resize `extent` pixels from `start` on to `out` pixels.

    Args:
        start: (B,) first pixel of the crop along this axis.
        extent: (B,) its pixels.
        out: pixels wanted.
        interpolation: 'bilinear' or 'bicubic'.
    """
    extent = np.asarray(extent)[:, None]
    scale = extent / out
    widened = np.maximum(scale, 1.0)
    support = SUPPORT[interpolation] * widened
    centre = (np.arange(out) + 0.5) * scale
    low = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    high = np.minimum((centre + support + 0.5).astype(np.int64), extent)
    place = low[:, :, None] + np.arange((high - low).max())
    value = _kernel((place - centre[:, :, None] + 0.5) * (1.0 / widened)[:, :, None], interpolation)
    value[place >= high[:, :, None]] = 0
    value /= value.sum(axis=2, keepdims=True)
    whole = np.trunc(value * UNIT + np.copysign(0.5, value)).astype(np.int64)
    return Taps(low + np.asarray(start)[:, None], whole)


def _kernel(x: NDArray[np.float64], interpolation: str) -> NDArray[np.float64]:
    x = np.abs(x)
    if interpolation == "bilinear":
        return np.maximum(1 - x, 0)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((x - 5) * x + 8) * x * -0.5 + 2
    return np.where(x < 1, inner, np.where(x < 2, outer, 0))

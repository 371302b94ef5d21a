"""Resampling weights (SPEC, section 17.2) for a batch of crops of different sizes.

The filter is widened where an image is reduced; weights sum to 1 and are rounded to multiples of
2^-22. Formulas, constants and the order of the passes are those of Pillow 13 on machines without
fused multiply-add. Older Pillows always resize the width first, so replay never calls Pillow's
resize.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import UnsupportedError

BITS = 22  # fixed-point bits of a weight
UNIT = 1 << BITS
SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}  # radius of the filter in source pixels
INTERPOLATIONS = tuple(SUPPORT)


def check_interpolation(interpolation: str) -> None:
    """Check that an interpolation can be replayed.

    Raises:
        UnsupportedError: it is neither 'bilinear' nor 'bicubic'.
    """
    if interpolation not in SUPPORT:
        raise UnsupportedError(
            f"interpolation {interpolation!r}: only {' and '.join(SUPPORT)} can be replayed"
        )


@dataclass(frozen=True, eq=False)
class Taps:
    """Source pixels and weights of every output pixel along one axis.

    Attributes:
        first: (B, out) int64 index of the first source pixel.
        weight: (B, out, n) int64 weights in units of 2^-22; 0 after the last source pixel.
    """

    first: NDArray[np.int64]
    weight: NDArray[np.int64]

    def part(self, chosen: NDArray[np.bool_]) -> Taps:
        """The taps of the samples selected by a (B,) mask."""
        return Taps(self.first[chosen], self.weight[chosen])


def rows_first(box: NDArray[Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether the height is resized before the width, which saves work for tall crops.

    Args:
        box: (B, 4) top, left, height, width of the crops in pixels.
        size: (height, width) they are resized to.

    Returns:
        (B,) bool.
    """
    fewer_rows, fewer_columns = (box[:, 2:] - size).T
    first: NDArray[np.bool_] = (fewer_rows > 0) & (fewer_rows > 2 * fewer_columns)
    return first


def taps(start: NDArray[Any], extent: NDArray[Any], out: int, interpolation: str) -> Taps:
    """Weights that resize `extent` pixels, starting at `start`, to `out` pixels.

    Args:
        start: (B,) first pixel of the crop along this axis.
        extent: (B,) number of pixels of the crop.
        out: number of output pixels.
        interpolation: 'bilinear' or 'bicubic'.
    """
    extent = np.asarray(extent)[:, None]
    scale = extent / out
    widened = np.maximum(scale, 1.0)
    support = SUPPORT[interpolation] * widened
    centre = (np.arange(out) + 0.5) * scale
    low = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    high = np.minimum((centre + support + 0.5).astype(np.int64), extent)
    pixel = low[:, :, None] + np.arange((high - low).max())
    value = _kernel((pixel - centre[:, :, None] + 0.5) * (1.0 / widened)[:, :, None], interpolation)
    value[pixel >= high[:, :, None]] = 0
    value /= value.cumsum(axis=2)[:, :, -1:]  # summed one after the other, unlike `sum`
    whole = np.trunc(value * UNIT + np.copysign(0.5, value)).astype(np.int64)
    return Taps(low + np.asarray(start)[:, None], whole)


def _kernel(x: NDArray[np.float64], interpolation: str) -> NDArray[np.float64]:
    """Value of the filter at a distance x, in source pixels."""
    x = np.abs(x)
    if interpolation == "bilinear":
        return np.maximum(1 - x, 0)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * -0.5
    return np.where(x < 1, inner, np.where(x < 2, outer, 0))

"""Crop boxes from fractions of the image sides in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def whole_pixels(fraction: NDArray[Any], size: NDArray[np.int32]) -> NDArray[np.int32] | None:
    """Find the whole pixels that give back fractions of image sides bit for bit.

    They do if their quotients by the sides, in float64, rounded to float32 and then to the dtype of
    the fractions, are the fractions (`Crop.fractions`).

    Args:
        fraction: (B, 4) float16 or float32: top/H, left/W, height/H, width/W.
        size: (B, 2) int32 H and W in pixels.

    Returns:
        (B, 4) int32 top, left, height, width; None if there are none, as for fractions outside 0..1
        or sides below 1.

    Raises:
        ValueError: arrays of other shapes or dtypes.
    """
    if fraction.dtype not in (np.float16, np.float32) or size.dtype != np.int32:
        raise ValueError("fractions of impossible dtype")
    if fraction.ndim != 2 or fraction.shape[1] != 4 or size.shape != (len(fraction), 2):
        raise ValueError("fractions of impossible shape")
    if not (((fraction >= 0) & (fraction <= 1)).all() and (size > 0).all()):
        return None
    side = size[:, [0, 1, 0, 1]].astype(np.float64)
    box: NDArray[np.int32] = np.rint(fraction * side).astype(np.int32)
    back = (box / side).astype(np.float32).astype(fraction.dtype)
    bits = np.dtype(f"u{fraction.itemsize}")
    same = np.ascontiguousarray(fraction).view(bits) == back.view(bits)
    return box if same.all() else None

"""Conversion of crop boxes from fractions of the image sides to whole pixels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.crop import Crop
from labelcodec.entropy.backend import implementation
from labelcodec.formats.typespec import same_bits

USUAL_SIDE = 224
# Above 1024 pixels every float16 equals some i/side, so a match would carry no information.
LARGEST_SIDE = {"float32": 4096, "float16": 1024}
_PROBES = 16


def to_pixels(
    fractions: NDArray[Any], sizes: NDArray[np.int32] | None, hint: tuple[int, int] | None
) -> Crop:
    """Convert crop boxes to pixels where that is lossless; otherwise keep the fractions.

    Lossless means that `Crop.fractions` returns the input bit for bit.

    Args:
        fractions: (B, 4) float16 or float32: top/H, left/W, height/H, width/W.
        sizes: (B, 2) int32, true H and W of the source images, or None if unknown.
        hint: (H, W) to try after the usual side if the sizes are unknown.
    """
    if sizes is not None:
        return _in_pixels(fractions, sizes) or _as_fractions(fractions)
    usual = (USUAL_SIDE, USUAL_SIDE)
    for sides in dict.fromkeys((usual, hint or usual)):
        crop = _in_pixels(fractions, _uniform_sizes(sides, len(fractions)))
        if crop is not None:
            return crop
    height = find_side(fractions[:, 0::2])
    width = None if height is None else find_side(fractions[:, 1::2])
    if height is None or width is None:
        return _as_fractions(fractions)
    sizes = _uniform_sizes((height, width), len(fractions))
    return _in_pixels(fractions, sizes) or _as_fractions(fractions)


def _as_fractions(fractions: NDArray[Any]) -> Crop:
    return Crop(fractions, None, _precision(fractions))


def _in_pixels(fractions: NDArray[Any], sizes: NDArray[np.int32]) -> Crop | None:
    """The boxes in pixels, or None if they do not reproduce the fractions bit for bit."""
    box = implementation("labelcodec.augmentation.crop").whole_pixels(fractions, sizes)
    return None if box is None else Crop(box, sizes, _precision(fractions))


def _precision(fractions: NDArray[Any]) -> Literal["float16", "float32"]:
    return "float16" if fractions.itemsize == 2 else "float32"


def _uniform_sizes(sides: tuple[int, int], count: int) -> NDArray[np.int32]:
    sizes = np.empty((count, 2), np.int32)
    sizes[:] = sides
    return sizes


def find_side(fractions: NDArray[Any]) -> int | None:
    """Find an image side that turns all fractions into whole pixels.

    Returns:
        224 if it fits, else the smallest side in pixels that does; None if there is none.
    """
    if not _in_unit_range(fractions):
        return None
    if _fits(fractions, USUAL_SIDE):
        return USUAL_SIDE
    values = np.unique(fractions)
    probes = values[np.linspace(0, len(values) - 1, min(_PROBES, len(values))).astype(int)]
    sides = np.arange(1, LARGEST_SIDE[fractions.dtype.name] + 1, dtype=np.float64)[:, None]
    close = _round_trip(probes, sides) == probes
    for side in np.flatnonzero(close.all(axis=1)) + 1:
        if _fits(values, int(side)):
            return int(side)
    return None


def _in_unit_range(fractions: NDArray[Any]) -> bool:
    return bool(fractions.min() >= 0 and fractions.max() <= 1)  # False for NaN


def _fits(fractions: NDArray[Any], side: int) -> bool:
    return same_bits(_round_trip(fractions, side), fractions)


def _round_trip(fractions: NDArray[Any], side: Any) -> NDArray[Any]:
    """The fractions that the peers' code stores for the nearest whole pixels (`Crop.fractions`)."""
    pixels = np.rint(fractions.astype(np.float64) * side)
    rounded: NDArray[Any] = (pixels / side).astype(np.float32).astype(fractions.dtype)
    return rounded

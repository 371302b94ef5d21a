"""Conversion of recorded crop boxes to whole pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.crop import Crop
from labelcodec.errors import DataError, MismatchError


def pixel_boxes(crop: Crop | None, sizes: NDArray[Any], size: tuple[int, int]) -> NDArray[np.int64]:
    """Crop boxes in pixels; whole images if no crop was recorded.

    Fractions are converted as in the peers' loaders: multiplied by the image sides, then the edges
    rounded, half to even, as Pillow's `crop` does.

    Args:
        crop: the recorded crops of B samples, if any.
        sizes: (B, 2) heights and widths of the images in pixels.
        size: (height, width) of the network input in pixels.

    Returns:
        (B, 4) int64 top, left, height, width.

    Raises:
        DataError: a box is empty or leaves its image; or no crop was recorded, and an image is not
            of the network input's size.
        MismatchError: the crops were recorded on images of other sizes.
    """
    sizes = np.asarray(sizes, np.int64)
    if crop is None:
        if (sizes != size).any():
            raise DataError(
                f"{_first(sizes, (sizes != size).any(axis=1))}, the network takes "
                f"{size[0]} x {size[1]}, and no crop was recorded"
            )
        return np.concatenate([np.zeros_like(sizes), sizes], axis=1)
    if crop.size is not None and (differs := (crop.size != sizes).any(axis=1)).any():
        height, width = crop.size[np.argmax(differs)]
        raise MismatchError(
            f"{_first(sizes, differs)}, whose crop was recorded on one of {height} x {width}: "
            "is this the right image folder? A dump does not tell sizes: encode it with `images`"
        )
    box = crop.box.astype(np.float64)
    if crop.size is None:
        box *= sizes[:, [0, 1, 0, 1]]
    start = np.rint(box[:, :2]).astype(np.int64)
    extent = np.rint(box[:, :2] + box[:, 2:]).astype(np.int64) - start
    bad = ((start < 0) | (extent < 1) | (start + extent > sizes)).any(axis=1)
    if bad.any():
        bad_box = crop.box[np.argmax(bad)].tolist()
        raise DataError(f"{_first(sizes, bad)}: its crop {bad_box} is empty or leaves it")
    return np.concatenate([start, extent], axis=1)


def _first(sizes: NDArray[Any], selected: Any) -> str:
    """Size of the first chosen image, for error messages."""
    sample = int(np.argmax(selected))
    return f"an image of {sizes[sample, 0]} x {sizes[sample, 1]} pixels"

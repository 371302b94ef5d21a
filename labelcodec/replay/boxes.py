"""Recorded crop boxes as whole pixels of the images at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Crop
from labelcodec.errors import DataError, MismatchError


def pixel_boxes(crop: Crop | None, sizes: NDArray[Any], size: tuple[int, int]) -> NDArray[np.int64]:
    """Crop boxes in pixels; whole images where no crop was recorded.

    Fractions become pixels as in the peers' loaders: times the image's sides, then the edges
    rounded, half to even, which is what Pillow's `crop` does.

    Args:
        crop: the recorded crops of B samples, if any.
        sizes: (B, 2) height, width of the images.
        size: height, width of the network input.

    Returns:
        (B, 4) top, left, height, width.

    Raises:
        DataError: a box is empty or leaves its image, or no crop was recorded and an image has
            not the size of the network input.
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
    if crop.size is not None and (other := (crop.size != sizes).any(axis=1)).any():
        height, width = crop.size[np.argmax(other)]
        raise MismatchError(
            f"{_first(sizes, other)}, whose crop was recorded on one of {height} x {width}: "
            "is this the right image folder? A dump does not tell sizes: encode it with --images"
        )
    box = crop.box.astype(np.float64)
    if crop.size is None:
        box *= sizes[:, [0, 1, 0, 1]]
    start = np.rint(box[:, :2]).astype(np.int64)
    extent = np.rint(box[:, :2] + box[:, 2:]).astype(np.int64) - start
    bad = ((start < 0) | (extent < 1) | (start + extent > sizes)).any(axis=1)
    if bad.any():
        found = crop.box[np.argmax(bad)].tolist()
        raise DataError(f"{_first(sizes, bad)}: its crop {found} is empty or leaves it")
    return np.concatenate([start, extent], axis=1)


def _first(sizes: NDArray[Any], chosen: Any) -> str:
    sample = int(np.argmax(chosen))
    return f"an image of {sizes[sample, 0]} x {sizes[sample, 1]} pixels"

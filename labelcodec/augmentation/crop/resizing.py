"""Crop and resize of one image in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy.backend import implementation


def resized_crop(
    image: NDArray[np.uint8],
    box: Sequence[int],
    size: tuple[int, int],
    interpolation: str,
    flip: bool = False,
) -> NDArray[np.uint8]:
    """Crop, resize and, where `flip`, mirror an image (SPEC, section 17).

    The pixels are the same on every machine: those of the compiled kernel or, without a compiler,
    of the NumPy reference. They do not depend on the installed Pillow, which resizes some crops
    in another order before version 13.

    Args:
        image: (H, W, 3) uint8.
        box: top, left, height, width of the crop in pixels, within the image.
        size: height, width of the result in pixels.
        interpolation: 'bilinear' or 'bicubic'.
        flip: whether to mirror the result left to right.

    Returns:
        (height, width, 3) uint8.

    Raises:
        UnsupportedError: an unknown interpolation.
        ValueError: a box outside its image.
    """
    out = np.empty((*size, 3), np.uint8)
    kernels = implementation("labelcodec.augmentation.crop")
    kernels.crop_resize(np.ascontiguousarray(image), box, interpolation, flip, out)
    return out

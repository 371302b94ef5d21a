"""Crop and resize of images (SPEC, section 17.2) in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.crop.resampling import BITS, check_interpolation, rows_first, taps


def crop_resize(
    image: NDArray[np.uint8],
    box: Sequence[int] | NDArray[np.integer[Any]],
    interpolation: str,
    flip: bool,
    out: NDArray[np.uint8],
) -> None:
    """Crop and resize an image, and mirror the result left to right if told so.

    Args:
        image: (H, W, 3) uint8, C-contiguous.
        box: top, left, height, width of the crop in pixels; it must lie within the image.
        interpolation: 'bilinear' or 'bicubic'.
        flip: whether to mirror the resized crop.
        out: (height, width, 3) uint8, C-contiguous, which is filled.

    Raises:
        UnsupportedError: an unknown interpolation.
        ValueError: a box outside its image, or arrays of other shapes.
        MemoryError: no memory for the weights.
    """
    check_interpolation(interpolation)
    top, left, rows, columns = map(int, box)
    height, width, channels = out.shape
    if image.ndim != 3 or image.shape[2] != 3 or channels != 3 or not image.size or not out.size:
        raise ValueError("images of impossible shape")
    if min(top, left) < 0 or min(rows, columns) < 1:
        raise ValueError("a crop box outside its image")
    if top + rows > image.shape[0] or left + columns > image.shape[1]:
        raise ValueError("a crop box outside its image")
    crop = image[top : top + rows, left : left + columns]
    if rows_first(np.array([[top, left, rows, columns]]), (height, width))[0]:
        resized = _across(_down(crop, height, interpolation), width, interpolation)
    else:
        resized = _down(_across(crop, width, interpolation), height, interpolation)
    out[:] = resized[:, ::-1] if flip else resized


def pool_resize(
    pool: NDArray[np.uint8],
    start: NDArray[np.int64],
    size: NDArray[np.int64],
    box: NDArray[np.int64],
    interpolation: str,
    flip: NDArray[np.bool_],
    out: NDArray[np.uint8],
) -> None:
    """Crop and resize images of a pool: `crop_resize` of B images.

    The compiled kernel lets other threads run.

    Args:
        pool: (n,) uint8, the images' bytes, each (H, W, 3) as in `crop_resize`.
        start: (B,) int64 first byte of each image.
        size: (B, 2) int64 height and width of each image in pixels.
        box: (B, 4) int64 top, left, height, width of each crop.
        interpolation: 'bilinear' or 'bicubic'.
        flip: (B,) bool, whether to mirror the resized crop.
        out: (B, height, width, 3) uint8, C-contiguous, which is filled.

    Raises:
        UnsupportedError: an unknown interpolation.
        ValueError: as `crop_resize`, or an image outside the pool.
        MemoryError: no memory for the weights.
    """
    shapes = (start.shape, size.shape, box.shape, flip.shape)
    if shapes != ((len(out),), (len(out), 2), (len(out), 4), (len(out),)):
        raise ValueError("arrays of different lengths")
    for sample, first in enumerate(start.tolist()):
        height, width = size[sample].tolist()
        stop = first + 3 * height * width
        if min(height, width) < 1 or first < 0 or stop > len(pool):
            raise ValueError("an image outside its pool")
        image = pool[first:stop].reshape(height, width, 3)
        crop_resize(image, box[sample], interpolation, bool(flip[sample]), out[sample])


def _down(pixels: NDArray[np.uint8], height: int, interpolation: str) -> NDArray[np.uint8]:
    """(height, W, 3) resized from (H, W, 3) along the first axis."""
    rows = taps(np.zeros(1, np.int64), np.array([len(pixels)]), height, interpolation)
    total = np.full((height, *pixels.shape[1:]), 1 << BITS - 1, np.int32)
    for tap, weight in enumerate(rows.weight[0].T.astype(np.int32)):
        source = np.minimum(rows.first[0] + tap, len(pixels) - 1)
        total += weight[:, None, None] * pixels[source]
    levels: NDArray[np.uint8] = np.clip(total >> BITS, 0, 255).astype(np.uint8)
    return levels


def _across(pixels: NDArray[np.uint8], width: int, interpolation: str) -> NDArray[np.uint8]:
    """(H, width, 3) resized from (H, W, 3) along the second axis."""
    return _down(pixels.swapaxes(0, 1), width, interpolation).swapaxes(0, 1)

"""Replay on Pillow images, bit for bit as the peers' torchvision transforms do it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from labelcodec.batch import Augmentation, Crop
from labelcodec.errors import UnsupportedError
from labelcodec.replay import randaugment
from labelcodec.replay.boxes import pixel_boxes

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def filter_of(interpolation: str) -> Image.Resampling:
    """Pillow's filter of this name.

    Raises:
        UnsupportedError: neither 'bilinear' nor 'bicubic'.
    """
    if interpolation not in FILTERS:
        raise UnsupportedError(
            f"interpolation {interpolation!r}: only {' and '.join(FILTERS)} can be replayed"
        )
    return FILTERS[interpolation]


def replay_image(
    image: Image.Image,
    augmentation: Augmentation,
    sample: int,
    size: tuple[int, int],
    interpolation: str = "bilinear",
) -> NDArray[np.uint8]:
    """What the teacher saw of one image before mixing, in grey levels.

    RandAugment, crop, resize, flip, cutout, in this order: that of LPQLD's transforms, in which
    cutout stands in place of the flip.

    Args:
        image: the source image; converted to RGB if it is not.
        augmentation: the recorded F of its batch.
        sample: the image's place in the batch.
        size: height, width of the network input.
        interpolation: 'bilinear' or 'bicubic'.

    Returns:
        (height, width, 3) uint8.

    Raises:
        DataError: a recorded part that cannot be applied.
        MismatchError: the crop was recorded on an image of another size.
        UnsupportedError: another interpolation.
    """
    if image.mode != "RGB":
        image = image.convert("RGB")
    if augmentation.randaugment is not None:
        image = randaugment.apply(image, augmentation.randaugment, sample)
    sides = np.array([[image.height, image.width]])
    crop = None if augmentation.crop is None else _one(augmentation.crop, sample)
    top, left, height, width = pixel_boxes(crop, sides, size)[0].tolist()
    image = image.crop((left, top, left + width, top + height))
    image = image.resize(size[::-1], filter_of(interpolation))
    if augmentation.flip is not None and augmentation.flip[sample]:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if augmentation.cutout is not None:
        top, left, bottom, right = cutout_edges(augmentation.cutout[sample : sample + 1], size)[0]
        colour = tuple(augmentation.cutout[sample, 4:].astype(int).tolist())
        ImageDraw.Draw(image).rectangle((left, top, right, bottom), fill=colour)
    return np.asarray(image)


def _one(crop: Crop, sample: int) -> Crop:
    size = None if crop.size is None else crop.size[sample : sample + 1]
    return replace(crop, box=crop.box[sample : sample + 1], size=size)


def cutout_edges(cutout: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.int64]:
    """(B, 4) first row, first column, last row, last column that the cutout paints over.

    The centre and the sides are the whole pixels that were recorded as float32 fractions. (The
    peers' loader truncates where it should round, and moves some boxes by a pixel.) Pillow's
    rectangles include their last row and column.
    """
    sides = np.array(size)
    pixels = np.rint(cutout[:, :4].astype(np.float64) * np.tile(sides, 2)).astype(np.int64)
    centre, half = pixels[:, :2], pixels[:, 2:] // 2
    return np.concatenate(
        [np.clip(centre - half, 0, sides), np.clip(centre + half, 0, sides)], axis=1
    )

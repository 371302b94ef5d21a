"""Replay of single images (SPEC, section 17)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelcodec.augmentation.crop.resampling import check_interpolation
from labelcodec.augmentation.part import NetworkInput
from labelcodec.augmentation.parts import REPLAY_ORDER, Augmentation

Picture = Image.Image | NDArray[np.uint8]


def replay_image(
    image: Picture,
    augmentation: Augmentation,
    sample: int,
    size: tuple[int, int],
    interpolation: str = "bilinear",
) -> NDArray[np.uint8]:
    """Augmented image of one sample, before mixing.

    Applies RandAugment, crop, resize, flip and cutout, in this order. It is the order of LPQLD's
    transforms, in which cutout takes the place of the flip.

    Args:
        image: the source image, converted to RGB if it is not; or (H, W, 3) uint8, which is left as
            it is.
        augmentation: the recorded augmentation of the batch.
        sample: position of the image in the batch, 0..B-1.
        size: height, width of the network input.
        interpolation: 'bilinear' or 'bicubic'.

    Returns:
        (height, width, 3) uint8 in 0..255.

    Raises:
        DataError: a recorded part cannot be applied.
        MismatchError: the crop was recorded on an image of another size.
        UnsupportedError: an unknown interpolation.
    """
    check_interpolation(interpolation)
    levels = as_levels(image)
    target = NetworkInput(size, interpolation)
    for part in REPLAY_ORDER:
        levels = part.replay_image(levels, augmentation, sample, target)
    return levels


def as_levels(image: Picture) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of an image, converted to RGB if it is not."""
    if isinstance(image, Image.Image) and image.mode != "RGB":
        image = image.convert("RGB")
    return np.asarray(image)

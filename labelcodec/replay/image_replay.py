"""Replay on Pillow images, bit-identical to the torchvision transforms that peers use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelcodec.augmentation.part import NetworkInput
from labelcodec.augmentation.parts import REPLAY_ORDER, Augmentation


def replay_image(
    image: Image.Image,
    augmentation: Augmentation,
    sample: int,
    size: tuple[int, int],
    interpolation: str = "bilinear",
) -> NDArray[np.uint8]:
    """Augmented image of one sample, before mixing.

    Applies RandAugment, crop, resize, flip and cutout, in this order. It is the order of LPQLD's
    transforms, in which cutout takes the place of the flip.

    Args:
        image: the source image; converted to RGB if it is not.
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
    if image.mode != "RGB":
        image = image.convert("RGB")
    target = NetworkInput(size, interpolation)
    for part in REPLAY_ORDER:
        image = part.replay_image(image, getattr(augmentation, part.name), sample, target)
    return np.asarray(image)

"""Replay of a whole batch on any torch device, bit-identical to Pillow 13."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from labelcodec.augmentation.crop.resampling import check_interpolation
from labelcodec.augmentation.part import NetworkInput
from labelcodec.augmentation.parts import REPLAY_ORDER, Augmentation
from labelcodec.errors import DataError


def replay_batch(
    images: torch.Tensor | Sequence[torch.Tensor],
    augmentation: Augmentation,
    size: tuple[int, int],
    interpolation: str = "bilinear",
) -> torch.Tensor:
    """Augmented images of a batch, before mixing: `replay_image` for all samples at once.

    Pillow before 13 resizes some crops differently, by up to 23 grey levels with bicubic
    interpolation, because it did not choose which axis to resize first.

    Args:
        images: (B, H, W, 3) uint8, or B images (H, W, 3) uint8 of any sizes, all on one device.
        augmentation: the recorded augmentation of the batch.
        size: height, width of the network input.
        interpolation: 'bilinear' or 'bicubic'.

    Returns:
        (B, 3, height, width) uint8 on the device of the images.

    Raises:
        DataError: images of another shape or dtype, or a recorded part that cannot be applied.
        MismatchError: the crops were recorded on images of other sizes.
        UnsupportedError: an unknown interpolation, or RandAugment, which needs `replay_image`.
    """
    check_interpolation(interpolation)
    target = NetworkInput(size, interpolation)
    replayed: torch.Tensor | Sequence[torch.Tensor]
    if isinstance(images, torch.Tensor):
        replayed = _channels_first(images)
    else:
        replayed = [_channels_first(image) for image in images]
    for part in REPLAY_ORDER:
        replayed = part.replay_batch(replayed, getattr(augmentation, part.name), target)
    assert isinstance(replayed, torch.Tensor)
    return replayed


def _channels_first(images: torch.Tensor) -> torch.Tensor:
    if images.shape[-1] != 3 or images.dtype != torch.uint8:
        raise DataError(
            f"images are {images.dtype} of shape {tuple(images.shape)}, expected uint8 with the "
            "three colours last"
        )
    return images.movedim(-1, -3)

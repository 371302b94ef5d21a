"""Replay of a whole batch on any torch device, exact to the bit (SPEC, section 17)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from labelcodec.augmentation.crop.resampling import check_interpolation
from labelcodec.augmentation.part import NetworkInput
from labelcodec.augmentation.parts import REPLAY_ORDER, Augmentation
from labelcodec.augmentation.source_images import SourceImages


def replay_batch(
    images: torch.Tensor | Sequence[torch.Tensor] | SourceImages,
    augmentation: Augmentation,
    size: tuple[int, int],
    interpolation: str = "bilinear",
) -> torch.Tensor:
    """Augmented images of a batch, before mixing: `replay_image` for all samples at once.

    Args:
        images: (B, H, W, 3) uint8, or B images (H, W, 3) uint8 of any sizes, all on one device; or
            B images of one tensor.
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
    replayed: torch.Tensor | SourceImages = (
        images if isinstance(images, SourceImages) else SourceImages.of(images)
    )
    for part in REPLAY_ORDER:
        replayed = part.replay_batch(replayed, augmentation, target)
    assert isinstance(replayed, torch.Tensor)
    return replayed

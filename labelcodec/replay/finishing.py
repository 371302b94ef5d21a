"""Normalisation and mixing of augmented images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from labelcodec.augmentation.mix import Mix, mix_images, pasted_box
from labelcodec.entropy.backend import implementation
from labelcodec.replay.normalisation import normalise, normalised_levels
from labelcodec.replay.recycled_arrays import RecycledArrays


def finished_images(
    images: torch.Tensor,
    normalisation: Mapping[str, Any] | None,
    mix: Mix | None,
    arrays: RecycledArrays,
) -> torch.Tensor:
    """Normalise images, and mix each with its partner.

    On the CPU a kernel does both in one pass: CutMix moves pixels, so that it may precede the
    normalisation.

    Args:
        images: (B, 3, H, W) uint8, on any device.
        normalisation: as in `normalise`.
        mix: the recorded mix; None for no mixing.
        arrays: where memory of the host comes from.

    Returns:
        (B, 3, H, W) float32 on the same device, in the memory format of the images.
    """
    levels = images.permute(0, 2, 3, 1)
    is_mixup = mix is not None and mix.box is None
    if images.device.type != "cpu" or is_mixup or not levels.is_contiguous():
        return mix_images(normalise(images, normalisation), mix)
    size = (images.shape[2], images.shape[3])
    partner = torch.arange(len(images)) if mix is None else torch.from_numpy(mix.partner)
    box = (0, 0, 0, 0) if mix is None else pasted_box(mix, size)
    table = normalised_levels(normalisation).numpy()
    kernels = implementation("labelcodec.replay")
    finished = arrays.empty(tuple(levels.shape))
    kernels.finish_levels(levels.numpy(), table, partner.numpy(), box, finished)
    return torch.from_numpy(finished).permute(0, 3, 1, 2)

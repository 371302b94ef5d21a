"""Normalisation of images, bit-identical to torchvision's `ToTensor` and `Normalize`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch

from labelcodec.entropy.backend import implementation


def normalise(images: torch.Tensor, normalisation: Mapping[str, Any] | None) -> torch.Tensor:
    """Normalise a batch of images, with the same bits as `ToTensor` and `Normalize`.

    Args:
        images: (B, 3, H, W) uint8, on any device.
        normalisation: 'mean' and 'std' of inputs in 0..1, three numbers each, as in the header;
            None leaves the images in 0..1.

    Returns:
        (B, 3, H, W) float32 on the same device, in the memory format of the images.
    """
    channels_last = images.permute(0, 2, 3, 1)
    if images.device.type == "cpu" and channels_last.is_contiguous():
        return _looked_up(channels_last, normalisation).permute(0, 3, 1, 2)
    return _computed(images, normalisation)


def _computed(images: torch.Tensor, normalisation: Mapping[str, Any] | None) -> torch.Tensor:
    scaled = images.float().div_(255)
    if normalisation is None:
        return scaled
    mean, std = mean_and_std(normalisation, images.device)
    return scaled.sub_(mean).div_(std)


def _looked_up(
    channels_last: torch.Tensor, normalisation: Mapping[str, Any] | None
) -> torch.Tensor:
    """As `_computed`, of (B, H, W, 3) images: each of the 256 levels is computed once."""
    levels = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    table = _computed(levels, normalisation).reshape(3, 256).numpy()
    kernels = implementation("labelcodec.replay")
    values = kernels.normalise_levels(channels_last.reshape(-1, 3).numpy(), table)
    return torch.from_numpy(values).view(channels_last.shape)


def mean_and_std(
    normalisation: Mapping[str, Any], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """(3, 1, 1) float32 mean and std of each colour, for inputs in 0..1."""
    return _constants(tuple(normalisation["mean"]), tuple(normalisation["std"]), device)


@lru_cache(maxsize=8)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    means, stds = (
        torch.tensor(numbers, dtype=torch.float32, device=device)[:, None, None]
        for numbers in (mean, std)
    )
    return means, stds

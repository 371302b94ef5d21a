"""Normalisation of images, bit-identical to torchvision's `ToTensor` and `Normalize`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import torch


def normalise(images: torch.Tensor, normalisation: Mapping[str, Any] | None) -> torch.Tensor:
    """Normalise a batch of images, with the same bits as `ToTensor` and `Normalize`.

    Args:
        images: (B, 3, H, W) uint8, on any device.
        normalisation: 'mean' and 'std' of inputs in 0..1, three numbers each, as in the header;
            None leaves the images in 0..1.

    Returns:
        (B, 3, H, W) float32 on the same device, in the memory format of the images.
    """
    scaled = images.float().div_(_levels(images.device))
    if normalisation is None:
        return scaled
    mean, std = mean_and_std(normalisation, images.device)
    return scaled.sub_(mean).div_(std)


def normalised_levels(normalisation: Mapping[str, Any] | None) -> torch.Tensor:
    """(3, 256) float32: what `normalise` makes of each grey level of each colour."""
    levels = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    return normalise(levels, normalisation).reshape(3, 256)


def mean_and_std(
    normalisation: Mapping[str, Any], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """(3, 1, 1) float32 mean and std of each colour, for inputs in 0..1."""
    return _constants(tuple(normalisation["mean"]), tuple(normalisation["std"]), device)


@cache
def _levels(device: torch.device) -> torch.Tensor:
    """(1,) float32 of 255: CUDA multiplies by the reciprocal of a plain number."""
    return torch.full((1,), 255.0, device=device)


@lru_cache(maxsize=8)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    means, stds = (
        torch.tensor(numbers, dtype=torch.float32, device=device)[:, None, None]
        for numbers in (mean, std)
    )
    return means, stds

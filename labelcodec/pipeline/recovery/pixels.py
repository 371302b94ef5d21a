"""Conversion between 8-bit images and a network's normalised inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from labelcodec.replay.normalisation import mean_and_std

_UNCHANGED = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def valid_range(
    normalisation: Mapping[str, Any] | None, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """(3, 1, 1) normalised values of black and of white in each colour.

    Args:
        normalisation: 'mean' and 'std' of inputs in 0..1; None for inputs in 0..1.
        device: where the result goes.
    """
    mean, std = mean_and_std(normalisation or _UNCHANGED, device)
    return -mean / std, (1 - mean) / std


def levels(images: torch.Tensor, normalisation: Mapping[str, Any] | None) -> torch.Tensor:
    """Round normalised images to 8 bits: the inverse of `replay.normalisation.normalise`.

    Args:
        images: (B, 3, H, W) normalised images.
        normalisation: 'mean' and 'std' of inputs in 0..1; None for inputs in 0..1.

    Returns:
        (B, 3, H, W) uint8 on the CPU.
    """
    mean, std = mean_and_std(normalisation or _UNCHANGED, images.device)
    return ((images * std + mean) * 255).round().clamp(0, 255).to(torch.uint8).cpu()

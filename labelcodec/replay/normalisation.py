"""Normalisation of images, bit-identical to torchvision's `ToTensor` and `Normalize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from labelcodec.errors import DataError


def check_normalisation(normalisation: Mapping[str, Any] | None) -> None:
    """Check the mean and standard deviation for `normalise`.

    Raises:
        DataError: 'mean' or 'std' is missing or not three finite numbers, or a std is 0.
    """
    if normalisation is None:
        return
    for key in ("mean", "std"):
        entry = normalisation.get(key)
        try:
            values = np.asarray(entry, np.float64)
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.shape != (3,) or not np.isfinite(values).all():
            raise DataError(f"normalisation: {key!r} is {entry!r}, expected three numbers")
        if key == "std" and not values.all():
            raise DataError(f"normalisation: 'std' is {entry!r}, which cannot be divided by")


def normalise(images: torch.Tensor, normalisation: Mapping[str, Any] | None) -> torch.Tensor:
    """Normalise a batch of images, with the same bits as `ToTensor` and `Normalize`.

    Args:
        images: (B, 3, H, W) uint8, on any device.
        normalisation: 'mean' and 'std' of inputs in 0..1, three numbers each, as in the header;
            None leaves the images in 0..1.

    Returns:
        (B, 3, H, W) float32 on the same device.
    """
    scaled = images.float().div_(255)
    if normalisation is None:
        return scaled
    mean, std = (
        torch.tensor(normalisation[key], dtype=torch.float32, device=images.device)[:, None, None]
        for key in ("mean", "std")
    )
    return scaled.sub_(mean).div_(std)

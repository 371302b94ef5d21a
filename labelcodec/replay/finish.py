"""From grey levels to what the network is fed: normalise, then mix the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from labelcodec.batch import Mix
from labelcodec.errors import DataError


def check_normalisation(normalisation: Mapping[str, Any] | None) -> None:
    """Refuse what `normalise` cannot take.

    Raises:
        DataError: 'mean' or 'std' is missing or not three finite numbers, or a std is 0.
    """
    if normalisation is None:
        return
    for key in ("mean", "std"):
        given = normalisation.get(key)
        try:
            values = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.shape != (3,) or not np.isfinite(values).all():
            raise DataError(f"normalisation: {key!r} is {given!r}, expected three numbers")
        if key == "std" and not values.all():
            raise DataError(f"normalisation: 'std' is {given!r}, which cannot be divided by")


def normalise(images: torch.Tensor, normalisation: Mapping[str, Any] | None) -> torch.Tensor:
    """Float32 images, bit for bit those of torchvision's `ToTensor` and `Normalize`.

    Args:
        images: (B, 3, H, W) uint8, on any device.
        normalisation: 'mean' and 'std' of inputs in 0..1, three numbers each, as in the header;
            None leaves the images in 0..1.
    """
    scaled = images.float().div_(255)
    if normalisation is None:
        return scaled
    mean, std = (
        torch.tensor(normalisation[key], dtype=torch.float32, device=images.device)[:, None, None]
        for key in ("mean", "std")
    )
    return scaled.sub_(mean).div_(std)


def mix(images: torch.Tensor, mixed: Mix | None) -> torch.Tensor:
    """The batch with every image mixed with its partner's, as SRe2L's `mix_aug` does.

    CutMix pastes rows box[0]:box[1] and columns box[2]:box[3] of the partner, mixup adds the
    partner with weight 1 - ratio.

    Args:
        images: (B, 3, H, W), float for mixup; CutMix writes into it.
        mixed: what was recorded; None returns the images as they are.
    """
    if mixed is None:
        return images
    partner = torch.from_numpy(mixed.partner).to(images.device)
    if mixed.box is None:
        return mixed.ratio * images + (1 - mixed.ratio) * images[partner]
    row0, row1, column0, column1 = mixed.box
    pasted = images[partner, :, row0:row1, column0:column1]
    images[:, :, row0:row1, column0:column1] = pasted
    return images

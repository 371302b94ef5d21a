"""Grey levels 0..255 of images that are stored as numbers, and how far rounding to them is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.wording import counted

# Means and stds that distillation code and its kin normalise with, of inputs in 0..1. Floats are
# known by them only if all are whole grey levels once it is undone, as those of real images are.
KNOWN = (
    ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),  # CIFAR-10, as DC, DM and MTT have it
    ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),  # CIFAR-10, its true deviations
    ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),  # CIFAR-100
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # ImageNet and Tiny ImageNet
    ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),  # SVHN
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
)
WHOLE = {np.dtype(np.float16): 0.15, np.dtype(np.float32): 0.01, np.dtype(np.float64): 0.001}
UNIT = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
LEVELS = ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))


@dataclass(frozen=True)
class Scale:
    """What brings values to inputs in 0..1: value * std + mean.

    Attributes:
        mean: of red, green, blue.
        std: likewise.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def exact(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Grey levels before rounding, of (..., 3, H, W) values."""
        mean, std = (np.array(numbers).reshape(3, 1, 1) for numbers in (self.mean, self.std))
        # each operation rounds once, so that the levels are the same on every machine
        exact: NDArray[np.float64] = (values.astype(np.float64) * std + mean) * 255.0
        return exact

    def levels(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """(..., 3, H, W) uint8: the nearest level, halves rounded up, those outside clipped."""
        return np.clip(np.floor(self.exact(values) + 0.5), 0, 255).astype(np.uint8)


def scale_of(values: NDArray[Any], stated: Mapping[str, Any] | None, where: str) -> Scale:
    """How a file's floats are to be read.

    Floats in 0..1 are inputs as they are, whole numbers in 0..255 levels. Others were normalised:
    by what is stated, or else by a known normalisation that gives whole levels.

    Args:
        values: (n, 3, H, W) a sample of the images, finite.
        stated: {'mean': [r, g, b], 'std': [r, g, b]}, if it is known.
        where: the file, for error messages.

    Raises:
        MismatchError: the floats are normalised, and by what is not known.
    """
    if stated is not None:
        return Scale(tuple(map(float, stated["mean"])), tuple(map(float, stated["std"])))
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return Scale(*UNIT)
    if low >= 0 and high <= 255 and (values == np.floor(values)).all():
        return Scale(*LEVELS)
    for mean, std in KNOWN:
        exact = Scale(mean, std).exact(values)
        off = np.abs(exact - np.round(exact)).max()
        if off <= WHOLE[values.dtype] and exact.min() > -0.5 and exact.max() < 255.5:
            return Scale(mean, std)
    raise MismatchError(
        f"{where}: its floats from {low:.2f} to {high:.2f} are normalised, and nothing says by "
        "what: pass the mean and std of inputs in 0..1 with `image_normalisation`, or keep them "
        "in the file under the names mean and std"
    )


def rounding_note(values: NDArray[Any], scale: Scale, images: int, where: str) -> str:
    """How far the levels are from the floats of a sample.

    Args:
        values: (n, 3, H, W) the sample.
        scale: how the floats are read.
        images: number of images of the file.
        where: the file.
    """
    exact = scale.exact(values)
    inside = np.clip(exact, 0, 255)
    off = np.abs(np.floor(inside + 0.5) - inside)
    outside = float((exact != inside).mean())
    beyond = float(np.abs(exact - inside).max())
    of = "" if len(values) == images else f" of {counted(len(values), 'image')} looked at"
    mean, std = (", ".join(f"{number:g}" for number in row) for row in (scale.mean, scale.std))
    clipped = (
        f"; {100 * outside:.2g} % lie outside of 0..255, by up to {beyond:.1f}, and are clipped"
        if outside
        else ""
    )
    return (
        f"{where}: floats are taken as normalised by mean {mean} and std {std}, and rounded to "
        f"grey levels 0..255: values{of} move by {off.mean():.2f} levels on average and by up to "
        f"{off.max():.2f}{clipped}"
    )

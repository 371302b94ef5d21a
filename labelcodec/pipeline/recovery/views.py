"""Random views of images: one crop, flip and shift for a whole batch.

As in SRe2L's code: a random resized crop, a horizontal flip, and a roll to the right and down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from labelcodec.augmentation.crop.draw import draw_crops
from labelcodec.augmentation.philox import Purpose, Source, below, fraction
from labelcodec.pipeline.recovery.settings import RecoverySettings

RATIO = (3 / 4, 4 / 3)
_FIRST = np.zeros(1, np.int64)


@dataclass(frozen=True)
class View:
    """A view of a batch.

    Attributes:
        box: top, left, height, width of the crop in pixels; None for no crop.
        flip: whether images are flipped from left to right.
        shift: shift of the rolled image down and to the right, in pixels.
    """

    box: tuple[int, int, int, int] | None
    flip: bool
    shift: tuple[int, int]


def draw_view(
    settings: RecoverySettings, group: int, iteration: int, size: tuple[int, int]
) -> View:
    """Draw the view of a group of images in an iteration, independently of all others.

    Args:
        settings: seed, crops, flips and shifts.
        group: number of the group.
        iteration: 0..iterations - 1.
        size: height, width of the images in pixels.
    """
    source = Source(settings.seed, group, iteration)
    scale, box = settings.scale_at(iteration), None
    if scale is not None:
        box = tuple(draw_crops(source, np.array([size], np.int32), scale, RATIO)[0].tolist())
    words = source.words(Purpose.FLIP, _FIRST)
    limits = [round(settings.roll * side) + 1 for side in size]
    down, right = (int(below(words[:, 1 + axis], limits[axis])[0]) for axis in range(2))
    return View(box, bool(fraction(words[:, 0])[0] < settings.flip), (down, right))


def viewed(images: torch.Tensor, view: View) -> torch.Tensor:
    """Apply a view to a batch, differentiably.

    Args:
        images: (B, 3, H, W) float images.
        view: the view.

    Returns:
        (B, 3, H, W), the crop resized bilinearly, flipped and rolled.
    """
    size = images.shape[2:]
    if view.box is not None:
        top, left, height, width = view.box
        images = images[:, :, top : top + height, left : left + width]
        images = F.interpolate(images, size, mode="bilinear", align_corners=False)
    if view.flip:
        images = images.flip(3)
    return images.roll(view.shift, (2, 3)) if any(view.shift) else images

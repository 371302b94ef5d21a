"""Images and augmentation of a batch, drawn from an augmentation spec (SPEC, section 12)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.parts import PARTS, Augmentation
from labelcodec.augmentation.philox import Source
from labelcodec.augmentation.shuffle import epoch_order
from labelcodec.augmentation.spec import AugmentationSpec


def draw(spec: AugmentationSpec, number: int) -> tuple[NDArray[np.int64], Augmentation]:
    """Draw the images and the augmentation of one batch, independently of all others.

    Args:
        spec: the seed and the rules of the draw.
        number: number of the batch, 0 .. 2^32 * spec.batches - 1.

    Returns:
        (B,) int64 image indices, and the augmentation. B is `spec.batch`; the last batch of an
        epoch may be smaller.

    Raises:
        DataError: no epoch has a batch of this number.
    """
    epoch, in_epoch = spec.place(number)
    order = epoch_order(spec.seed, epoch, spec.images)
    index = order[in_epoch * spec.batch : (in_epoch + 1) * spec.batch].astype(np.int64)
    source = Source(spec.seed, epoch, in_epoch)
    return index, Augmentation(**{part.name: part.draw(spec, source, index) for part in PARTS})

"""Batches that a relabelling labels first: tables are fitted to them, and folders compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.binding.agreement import sampled
from labelcodec.codecs import registry
from labelcodec.codecs.fitting_sample import sampled_batches


def fitting_batches(
    numbers: Sequence[int], recipe: AugmentationSpec, classes: int, codec: str
) -> list[int]:
    """Numbers of the batches to which tables are fitted, the same for any number of processes.

    Args:
        numbers: numbers of all batches to be labelled.
        recipe: the augmentation spec that they are drawn from.
        classes: C.
        codec: a codec spec.
    """
    lengths = [recipe.samples(recipe.place(number)[1]) for number in numbers]
    size = classes * np.dtype(np.float32).itemsize
    positions = sampled_batches(lengths, size, registry.parse(codec).fit_labels)
    return [numbers[position] for position in positions]


def compared_batches(sample: Sequence[int], recipe: AugmentationSpec) -> list[int]:
    """Numbers of those batches of a sample whose labels are compared with the image folder."""
    lengths = [recipe.samples(recipe.place(number)[1]) for number in sample]
    return [sample[position] for position in sampled(lengths)]

"""A batch's images and augmentation, drawn from a recipe (SPEC, section 12)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.augment.colours import draw_cutout, draw_operations
from labelcodec.augment.crops import draw_crops
from labelcodec.augment.mixes import draw_mix
from labelcodec.augment.order import epoch_order
from labelcodec.augment.philox import Purpose, Source
from labelcodec.augment.recipe import Recipe
from labelcodec.batch import Augmentation, Crop


def draw(recipe: Recipe, number: int) -> tuple[NDArray[np.int64], Augmentation]:
    """What batch `number` is made of: the same whichever other batches there are.

    Args:
        recipe: the seed and its rules.
        number: the batch's number, 0..2^32 epochs of them.

    Returns:
        (B,) int64 image indices, and the augmentation. B is the recipe's batch, less in the last
        batch of an epoch.

    Raises:
        DataError: a number that no epoch has.
    """
    epoch, place = recipe.place(number)
    order = epoch_order(recipe.seed, epoch, recipe.images)
    index = order[place * recipe.batch : (place + 1) * recipe.batch].astype(np.int64)
    source, samples = Source(recipe.seed, epoch, place), len(index)
    crop = flip = mix = cutout = operations = None
    if recipe.scale is not None:
        sizes = recipe.sizes_of(index)
        crop = Crop(draw_crops(source, sizes, recipe.scale, recipe.ratio), sizes)
    if recipe.flip is not None:
        word = source.words(Purpose.FLIP, np.arange(samples))[:, 0]
        flip = word < recipe.flip * 2.0**32
    if recipe.mix is not None:
        mix = draw_mix(source, recipe.mix, recipe.alpha, samples, recipe.size)
    if recipe.cutout is not None:
        cutout = draw_cutout(source, samples, recipe.cutout, recipe.size)
    if recipe.operations:
        operations = draw_operations(
            source, samples, recipe.operations, recipe.magnitude, recipe.deviation
        )
    return index, Augmentation(crop, flip, mix, cutout, operations)

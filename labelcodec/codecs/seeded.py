"""Batches of a seeded file: their images and augmentation are drawn, not stored (SPEC, 12.9)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.facts import augmentation_facts, same_bits
from labelcodec.augmentation.parts import Augmentation
from labelcodec.augmentation.seeded import draw
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.batch import LabelBatch
from labelcodec.errors import CorruptError, DataError
from labelcodec.wording import counted


def check_seeded(recipe: AugmentationSpec, batch: LabelBatch) -> None:
    """Check that a batch is what the recipe draws.

    Raises:
        DataError: naming the batch and the part that differs.
    """
    index, augmentation = draw(recipe, batch.number)
    given, drawn = _parts(batch.image_index, batch.augmentation), _parts(index, augmentation)
    drawn["epoch"], given["epoch"] = recipe.place(batch.number)[0], batch.epoch
    for name in given | drawn:
        if not same_bits(given.get(name), drawn.get(name)):
            raise DataError(
                f"batch {batch.number}: {name} differ from what the file's recipe draws; "
                "write such batches to a file without a recipe"
            )


def _parts(index: NDArray[np.int64], augmentation: Augmentation) -> dict[str, Any]:
    parts = {"image indices": index, **augmentation_facts(augmentation)}
    if augmentation.crop is not None:
        parts["image sizes"] = augmentation.crop.size
    return parts


def redraw(
    recipe: AugmentationSpec, number: int, epoch: int, samples: int
) -> tuple[NDArray[np.int64], Augmentation]:
    """Image indices and augmentation of a stored batch.

    Args:
        recipe: the augmentation spec of the file's header.
        number: number of the batch among all that were labelled.
        epoch: epoch that the batch record states.
        samples: B, as the batch record states it.

    Raises:
        CorruptError: the recipe has no such batch.
    """
    try:
        expected, place = recipe.place(number)
    except DataError as error:
        raise CorruptError(str(error)) from None
    if (epoch, samples) != (expected, recipe.samples(place)):
        raise CorruptError(
            f"{counted(samples, 'sample')} in epoch {epoch}, the recipe has "
            f"{recipe.samples(place)} "
            f"in epoch {expected}"
        )
    return draw(recipe, number)

"""Golden files of seeded label sets: their images and augmentation are drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from labelcodec import Header
from labelcodec.augmentation.seeded import draw
from labelcodec.augmentation.spec import AugmentationSpec, pack_sizes
from spec.vector_cases.content import Content, dense_batch, logits, store

PLAIN = AugmentationSpec(0x0123456789ABCDEF, images=23, batch=5, size=(224, 224), sizes=(224, 224))


def seeded(path: Path, recipe: AugmentationSpec, *numbers: int) -> Content:
    """A container of these batches of the recipe."""
    batches = []
    for number in numbers:
        index, augmentation = draw(recipe, number)
        value = logits(number, len(index), 4).astype(np.float16)
        epoch = recipe.place(number)[0]
        batch = dense_batch(value, number=number, epoch=epoch, augmentation=augmentation)
        batches.append(replace(batch, image_index=index))
    header = Header(4, images=recipe.images, image_size=recipe.size, mix=recipe.mix, recipe=recipe)
    return store(path, header, "dense", batches)


def cutmix(path: Path) -> Content:
    """Crops, flips and CutMix; some epochs are missing, and one has its small last batch only."""
    return seeded(path, PLAIN, 0, 1, 4, 9, 5 * 4294967295)


def mixup(path: Path) -> Content:
    """Mixup with alpha 0.2, cutout, images of several sizes of which many have no good crop."""
    sizes = np.random.default_rng(61).integers(1, 300, (23, 2))
    sizes[::4, 0] = 3
    recipe = replace(
        PLAIN, sizes=pack_sizes(sizes), size=(64, 48), mix="mixup", alpha=0.2, cutout=0.5,
        scale=(0.25, 1.0),
    )  # fmt: skip
    return seeded(path, recipe, 3, 4)


def randaugment(path: Path) -> Content:
    """RandAugment with three operations, and CutMix with alpha 0.8."""
    return seeded(path, replace(PLAIN, operations=3, alpha=0.8, flip=0.25), 7)


def order_only(path: Path) -> Content:
    """A recipe that draws nothing but the order of the images."""
    return seeded(path, replace(PLAIN, scale=None, flip=None, mix=None), 2)


CASES = (cutmix, mixup, randaugment, order_only)

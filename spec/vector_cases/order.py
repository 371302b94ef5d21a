"""Golden files whose image indices follow from the seed of a data loader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec import Augmentation, Header, LabelBatch
from labelcodec.augmentation.sampler_order import SamplerOrder, permutations_of
from spec.vector_cases.content import Content, dense_batch, logits, store

PLAIN = SamplerOrder(42, images=23, batch=5, batches=5, permutations=2)


def ordered(order: SamplerOrder, number: int) -> LabelBatch:
    """A batch of the recipe, with flips."""
    epoch = number // order.batches
    index = order.image_index(number, epoch)
    assert index is not None
    flips = Augmentation(flip=np.random.default_rng(number).random(len(index)) < 0.5)
    value = logits(number, len(index), 4).astype(np.float16)
    batch = dense_batch(value, number=number, epoch=epoch, augmentation=flips)
    return replace(batch, image_index=index)


def stored(path: Path, order: SamplerOrder, *batches: LabelBatch) -> Content:
    """A container of these batches."""
    return store(path, Header(4, images=order.images, image_order=order), "dense", batches)


def two_permutations(path: Path) -> Content:
    """Batches of several epochs, the small last one of an epoch among them."""
    return stored(path, PLAIN, *(ordered(PLAIN, number) for number in (0, 1, 4, 13, 2004)))


def one_permutation(path: Path) -> Content:
    """One permutation per epoch, the last batch dropped, a seed of more than 32 bits."""
    order = replace(PLAIN, seed=2**40 + 7, batches=4, permutations=1)
    return stored(path, order, *(ordered(order, number) for number in (3, 4, 11)))


def other_images(path: Path) -> Content:
    """Batches that do not follow the recipe: their images, their size or their numbers differ."""
    first, last = ordered(PLAIN, 0), ordered(PLAIN, 24)
    return stored(
        path,
        PLAIN,
        replace(first, image_index=first.image_index[::-1].copy()),
        replace(last, number=23),
        replace(ordered(PLAIN, 7), epoch=9),
        ordered(PLAIN, 8),
    )


def no_images_left(path: Path) -> Content:
    """A single image: permutations take no words."""
    order = SamplerOrder(0, images=1, batch=7, batches=1, permutations=2)
    return stored(path, order, *(ordered(order, number) for number in (0, 2**62)))


CASES = (two_permutations, one_permutation, other_images, no_images_left)


def draws() -> dict[str, list[dict[str, Any]]]:
    """Permutations of SPEC section 13, for those who write their own: `draws.json`."""
    return {
        "epoch permutation": [
            {
                "seed": seed, "images": images, "permutations": count, "epoch": epoch,
                "numbers": permutations_of(seed, images, count).of_epoch(epoch).tolist(),
            }
            for seed in (0, 42, 2**64 - 1)
            for images, count, epoch in ((1, 2, 3), (2, 1, 1), (17, 2, 0), (17, 2, 299), (99, 1, 2))
        ]
    }  # fmt: skip

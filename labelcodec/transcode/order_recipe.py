"""Recipe of the image order of the batches to be encoded: is it one that torch's sampler draws?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from labelcodec.augmentation.sampler_order import SamplerOrder
from labelcodec.augmentation.spec import MAX_BATCH, MAX_IMAGES
from labelcodec.batch import LabelBatch
from labelcodec.formats.image_order import LOADER_SEED
from labelcodec.header import Header
from labelcodec.transcode.encoded_batches import Batches


def with_image_order(header: Header, source: Batches, loader_seed: int | None) -> Header:
    """The header with the recipe that gives the images of the source's batches, if one does.

    The recipe is chosen by the first, the middle and the last batch. That need not hold for the
    others: every batch is compared with the recipe when it is encoded, and stores its image
    indices if they differ.

    Args:
        header: a header; returned unchanged if it has a recipe or no number of images.
        source: the batches.
        loader_seed: seed of the source's data loader; None for the usual one.

    Raises:
        LabelcodecError: a batch cannot be read.
    """
    if header.recipe or header.image_order or not header.images or not len(source):
        return header
    seed = LOADER_SEED if loader_seed is None else loader_seed
    batches = [source.read(i) for i in sorted({0, len(source) // 2, len(source) - 1})]
    best, matches = None, 0
    for order in _candidates(seed, header.images, max(map(len, batches))):
        count = sum(_gives(order, batch) for batch in batches)
        if count > matches:
            best, matches = order, count
    return header if best is None else replace(header, image_order=best)


def _candidates(seed: int, images: int, batch: int) -> Iterator[SamplerOrder]:
    """Loaders that go on to the end of an epoch draw two permutations, others one (torch 2)."""
    if not (0 <= seed < 1 << 64 and images <= MAX_IMAGES and batch <= MAX_BATCH):
        return
    for permutations in (2, 1):
        for batches in sorted({-(-images // batch), max(images // batch, 1)}, reverse=True):
            yield SamplerOrder(seed, images, batch, batches, permutations)


def _gives(order: SamplerOrder, batch: LabelBatch) -> bool:
    drawn = order.image_index(batch.number, batch.epoch)
    return drawn is not None and np.array_equal(drawn, batch.image_index)

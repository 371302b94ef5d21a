"""Batches whose labels follow from the images in their pictures."""

from __future__ import annotations

import numpy as np

from labelcodec.augmentation.crop import Crop
from labelcodec.augmentation.mix import Mix
from labelcodec.augmentation.parts import Augmentation
from labelcodec.batch import LabelBatch, Labels
from labelcodec.codecs.batch_context import BatchContext
from tests.codecs.transform.labels import logits

SIDE = 32


def recorded(
    epochs: int, images: int, classes: int, seed: int = 0, mix: str | None = "cutmix"
) -> list[LabelBatch]:
    """Every image once an epoch, in batches of 16; a label is the mixture of means, and noise."""
    rng, batches = np.random.default_rng([seed, 9]), []
    mean = 2 * logits(images, classes, 1).astype(np.float64)  # the same whatever the seed
    for epoch in range(epochs):
        order = rng.permutation(images)
        for first in range(0, images, 16):
            index = order[first : first + 16]
            drawn, own, partner = _mix(mix, len(index), rng)
            extent = rng.integers(8, SIDE + 1, (len(index), 2))
            box = np.concatenate([rng.integers(0, SIDE + 1 - extent), extent], 1).astype(np.int32)
            crop = Crop(box, np.full((len(index), 2), SIDE, np.int32))
            kept = np.sqrt(extent.prod(axis=1) / SIDE**2)[:, None] * mean[index]
            value = own * kept + (1 - own) * kept[partner]
            value += rng.standard_normal(value.shape)
            labels = Labels(classes, value.astype(np.float16))
            batches.append(
                LabelBatch(len(batches), epoch, index, Augmentation(crop=crop, mix=drawn), labels)
            )
    return batches


def _mix(kind: str | None, size: int, rng: np.random.Generator):
    partner = rng.permutation(size)
    if kind is None:
        return None, 1.0, partner
    if kind == "mixup":
        ratio = float(rng.random())
        return Mix("mixup", partner, ratio, None), ratio, partner
    rows, columns = np.sort(rng.integers(0, SIDE + 1, (2, 2)), axis=1).tolist()
    own = 1 - (rows[1] - rows[0]) * (columns[1] - columns[0]) / SIDE**2
    return Mix("cutmix", partner, 0.5, (*rows, *columns)), own, partner


def pictures(batches: list[LabelBatch]) -> list[BatchContext]:
    return [BatchContext(batch.image_index, batch.augmentation) for batch in batches]


def fitted(codec, batches: list[LabelBatch], expected: int | None = None):
    labels = [batch.labels for batch in batches]
    return codec.fit(labels, labels[0].classes, expected, pictures(batches))

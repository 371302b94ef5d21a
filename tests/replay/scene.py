"""An image folder whose pixels say which image they are, and label sets that say whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from labelcodec import Crop, Header, Labels, Mix, Writer
from labelcodec.augmentation.parts import Augmentation
from labelcodec.batch import LabelBatch
from labelcodec.images import content_digest, fingerprint, list_images
from labelcodec.replay.replay_batch import ReplayBatch

AS_THEY_ARE = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}
SIDE, STEP = 8, 5  # pixels of an image; grey levels from one image to the next
CLASSES = 5
BATCH, OWN, PARTNER, SAMPLE = range(4)  # what the logits of a label hold


def folder(path: Path, images: int = 12, classes: int = 3, side: int = SIDE) -> Path:
    """PNG files of one grey level each, STEP times their index."""
    share = -(-images // classes)
    for index in range(images):
        place = path / f"class{index // share}"
        place.mkdir(parents=True, exist_ok=True)
        level = STEP * index
        Image.new("RGB", (side, side), (level,) * 3).save(place / f"{index:03}.png")
    return path


def batch(number: int, index: Sequence[int], partner: Sequence[int] | None = None) -> LabelBatch:
    """A batch whose labels say its number, and of each sample its images and its place.

    With partners, the upper half of each image is the partner's.
    """
    images = np.array(index, np.int64)
    rng = np.random.default_rng(number)
    top = rng.integers(0, SIDE // 2, (len(images), 2))
    box = np.concatenate([top, rng.integers(1, SIDE // 2 + 1, (len(images), 2))], axis=1)
    crop = Crop(box.astype(np.int32), np.full((len(images), 2), SIDE, np.int32))
    mix, others = None, np.full(len(images), -1)
    if partner is not None:
        mix = Mix("cutmix", np.array(partner), 0.5, (0, SIDE // 2, 0, SIDE))
        others = images[mix.partner]
    value = np.zeros((len(images), CLASSES), np.float32)
    value[:, BATCH], value[:, OWN], value[:, PARTNER] = number, images, others
    value[:, SAMPLE] = np.arange(len(images))
    flip = rng.random(len(images)) < 0.5
    augmentation = Augmentation(crop, flip, mix)
    return LabelBatch(number, 0, images, augmentation, Labels(CLASSES, value, precision="float32"))


def write(path: Path, batches: Sequence[LabelBatch], codec: str = "dense", **header: Any) -> Path:
    labels = batches[0].labels if batches else Labels(CLASSES, np.zeros((0, CLASSES), np.float32))
    given = {"precision": labels.precision, "image_size": (SIDE, SIDE), **header}
    given.setdefault("normalisation", AS_THEY_ARE)
    with Writer(path, Header(labels.classes, **given), codec) as writer:
        for one in batches:
            writer.add(one)
    return path


def belongs(images: Path) -> dict[str, Any]:
    """Header keys of a label set made from this folder."""
    listing = list_images(images)
    told = {"fingerprint": fingerprint(listing.paths), "content": content_digest(listing)}
    return {"images": len(listing), **told}


def check(found: ReplayBatch) -> set[tuple[int, int]]:
    """Assert that every image is the one its label was made for; gives (batch, sample) pairs."""
    logits = found.labels.logits()
    grey = torch.round(found.images * 255 / STEP)
    assert (grey == grey[:, :1, :, :1]).all()
    own, upper = grey[:, 0, -1, 0], grey[:, 0, 0, 0]
    assert torch.equal(own, logits[:, OWN])
    wanted = torch.where(logits[:, PARTNER] < 0, logits[:, OWN], logits[:, PARTNER])
    assert torch.equal(upper, wanted)
    return {(int(row[BATCH]), int(row[SAMPLE])) for row in logits}

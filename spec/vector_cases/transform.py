"""Golden files of the transform codec.

Rounding in the encoder decides what is stored, so what must come out is what the library reads;
that this is right is for the reference decoder to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelcodec import Augmentation, Header, LabelBatch, Labels
from labelcodec import open as open_labels
from labelcodec.augmentation.crop import Crop
from labelcodec.augmentation.mix import Mix
from spec.vector_cases.content import Content, dense_batch, logits, store


def coded(
    path: Path,
    codec: str,
    batches: Sequence[LabelBatch],
    fit: Sequence[LabelBatch],
    header: Header | None = None,
) -> Content:
    """Write a container whose tables are fitted to `fit`, and read it."""
    header = header or Header(fit[0].labels.classes)
    content = store(path, header, f"transform:{codec}", batches, fit=fit)
    with open_labels(path) as reader:
        return replace(content, batches=list(reader))


def teacher(seed: int, rows: int, classes: int) -> NDArray[np.float16]:
    """Logits of few topics, in which one class of each label stands out."""
    rng = np.random.default_rng([seed, 1])
    value = logits(seed, rows, classes)
    value[np.arange(rows), rng.integers(classes, size=rows)] += rng.exponential(5, size=rows)
    return value.astype(np.float16)


def explicit(path: Path) -> Content:
    """Rank, step and peaks as asked for, in two batches."""
    value = teacher(41, 64, 20)
    batches = [dense_batch(value[:9]), dense_batch(value[9:14], number=1)]
    return coded(path, "rank=5,step=1.5,peaks=2", batches, [dense_batch(value)])


def budget(path: Path) -> Content:
    """What the encoder found for a budget; it says what it reached."""
    value = teacher(42, 600, 16)
    return coded(path, "bytes=7", [dense_batch(value[:8])], [dense_batch(value)])


def quality(path: Path) -> Content:
    """What the encoder found for two qualities."""
    value = teacher(43, 300, 16)
    return coded(path, "tv4=0.09,kl1=0.2", [dense_batch(value[:8])], [dense_batch(value)])


def no_peaks(path: Path) -> Content:
    """Coefficients alone: no label has a peak, all classes are corrected by distance."""
    value = teacher(44, 64, 12)
    return coded(path, "rank=3,step=2,peaks=0", [dense_batch(value[:9])], [dense_batch(value)])


def all_peaks(path: Path) -> Content:
    """Nearly every class is a peak, and the basis has every axis."""
    value = teacher(45, 64, 8)
    return coded(path, "rank=8,step=3,peaks=64", [dense_batch(value[:9])], [dense_batch(value)])


def two_classes(path: Path) -> Content:
    """Two classes, whose logits have one axis."""
    value = logits(46, 64, 2).astype(np.float16)
    return coded(path, "rank=1,step=0.5,peaks=0.5", [dense_batch(value[:5])], [dense_batch(value)])


def many_classes(path: Path) -> Content:
    """1500 classes: places and gaps with extra bits, ties in the ranking."""
    value = teacher(47, 48, 1500)
    return coded(path, "rank=4,step=20,peaks=5", [dense_batch(value[:3])], [dense_batch(value)])


def escapes(path: Path) -> Content:
    """Labels unlike those that the tables were fitted to, in single precision."""
    value = teacher(48, 64, 16).astype(np.float32)
    other = dense_batch(value[:4] * np.float32(40), precision="float32")
    header = Header(16, precision="float32")
    fit = [dense_batch(value, precision="float32")]
    return coded(path, "rank=4,step=2,peaks=1", [other], fit, header)


def limits(path: Path) -> Content:
    """Logits beyond 2^29 units: scores and peaks are limited, coefficients are the largest."""
    value = teacher(49, 64, 10).astype(np.float32)
    value[:, :5] *= np.float32(16)
    other = dense_batch(value[:4] * np.float32(1e7), precision="float32")
    header = Header(10, precision="float32")
    fit = [dense_batch(value, precision="float32")]
    return coded(path, "rank=3,step=200,peaks=2", [other], fit, header)


def two_lanes(path: Path) -> Content:
    """2052 coefficients and residuals in two rANS lanes."""
    value = np.repeat(teacher(50, 36, 5), 19, axis=0)
    return coded(path, "rank=3,step=4,peaks=0", [dense_batch(value)], [dense_batch(value)])


def no_batches(path: Path) -> Content:
    """Tables and no batch."""
    return coded(path, "rank=2,step=1,peaks=1", [], [dense_batch(teacher(51, 32, 6))])


def pictured(seed: int, count: int, *, mix: str = "cutmix") -> list[LabelBatch]:
    """Batches of 8 pictures of 12 images, the labels being their mixed means and some noise."""
    rng, batches = np.random.default_rng(seed), []
    mean = 2 * logits(52, 12, 10)
    for number in range(count):
        index, partner = rng.integers(0, 12, 8), rng.permutation(8)
        top, bottom, left, right = np.sort(rng.integers(0, 33, (2, 2)), axis=1).ravel().tolist()
        share = 1 - (bottom - top) * (right - left) / 1024
        box = (top, bottom, left, right) if mix == "cutmix" else None
        extent = rng.integers(8, 33, (8, 2))
        crop = Crop(np.concatenate([32 - extent, extent], 1).astype(np.int32), np.full((8, 2), 32))
        value = share * mean[index] + (1 - share) * mean[index[partner]]
        value += rng.normal(scale=0.5, size=value.shape)
        mixed = Mix("cutmix" if box else "mixup", partner, share, box)
        labels = Labels(10, value.astype(np.float16))
        batches.append(LabelBatch(number, 0, index, Augmentation(crop, mix=mixed), labels))
    return batches


def means(path: Path) -> Content:
    """Coefficients predicted from means: CutMix, no mix, no crop, an image without a mean."""
    fit = pictured(52, 60)
    first, second, third, last = fit[:4]
    plain = replace(second, augmentation=replace(second.augmentation, mix=None))
    whole = replace(third, augmentation=replace(third.augmentation, crop=None))
    other = replace(last, image_index=last.image_index + 8)
    return coded(path, "rank=4,step=1,peaks=1", [first, plain, whole, other], fit)


def means_mixup(path: Path) -> Content:
    """Coefficients predicted from means by the ratio of mixup; crops are fractions."""
    fit = pictured(53, 60, mix="mixup")
    box = np.random.default_rng(53).random((8, 4)).astype(np.float32)
    crop = replace(fit[0], augmentation=replace(fit[0].augmentation, crop=Crop(box, None)))
    return coded(path, "rank=4,step=1,peaks=1", [crop, fit[1]], fit)


CASES = (
    explicit,
    budget,
    quality,
    no_peaks,
    all_peaks,
    two_classes,
    many_classes,
    escapes,
    limits,
    two_lanes,
    no_batches,
    means,
    means_mixup,
)

"""Golden files of the augmentation streams."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec import Augmentation, Crop, Header, Mix, RandAugment
from spec.vector_cases.content import Content, dense_batch, logits, store

ROWS = 12


def augmented(path: Path, *parts: Augmentation, fit: int | None = None) -> Content:
    """A container of one batch a part, tables fitted to the first `fit` of them."""
    batches = [
        dense_batch(logits(i, ROWS, 4).astype(np.float16), number=i, augmentation=part)
        for i, part in enumerate(parts)
    ]
    return store(path, Header(4), "dense", batches, fit=batches[:fit])


def crop_of(seed: int, size: NDArray[Any], precision: Any = "float32") -> Crop:
    """Random boxes inside images of these (ROWS, 2) sizes."""
    rng = np.random.default_rng(seed)
    extent = rng.integers(1, size + 1)
    place = rng.integers(0, size - extent + 1)
    box = np.concatenate([place, extent], axis=1).astype(np.int32)
    return Crop(box, size.astype(np.int32), precision)


def one_size(height: int, width: int) -> NDArray[np.int64]:
    """(ROWS, 2) equal sizes."""
    return np.tile(np.array([height, width]), (ROWS, 1))


def crop_one_size(path: Path) -> Content:
    """Boxes in images of the usual size; the second batch is one of larger images."""
    usual = Augmentation(crop=crop_of(41, one_size(375, 500)))
    larger = Augmentation(crop=crop_of(42, one_size(2000, 3000)))
    return augmented(path, usual, larger, fit=1)


def crop_many_sizes(path: Path) -> Content:
    """Images of several sizes, of which one has one pixel."""
    size = np.random.default_rng(43).integers(2, 700, (ROWS, 2))
    size[3] = 1
    return augmented(path, Augmentation(crop=crop_of(44, size)))


def crop_half(path: Path) -> Content:
    """Boxes in pixels that the source held as float16 fractions."""
    return augmented(path, Augmentation(crop=crop_of(45, one_size(224, 224), "float16")))


def crop_fractions_half(path: Path) -> Content:
    """Boxes as float16 fractions, the images' sizes unknown."""
    box = np.random.default_rng(46).random((ROWS, 4)).astype(np.float16)
    return augmented(path, Augmentation(crop=Crop(box, None, "float16")))


def crop_fractions_single(path: Path) -> Content:
    """Boxes as float32 fractions, the images' sizes unknown."""
    box = np.random.default_rng(47).random((ROWS, 4)).astype(np.float32)
    return augmented(path, Augmentation(crop=Crop(box, None)))


def flip(path: Path) -> Content:
    """Flips, the last byte not full."""
    return augmented(path, Augmentation(flip=np.random.default_rng(48).random(ROWS) < 0.5))


def cutmix(path: Path) -> Content:
    """CutMix with a permutation; its box has a corner at the image's edge."""
    partner = np.random.default_rng(49).permutation(ROWS)
    return augmented(path, Augmentation(mix=Mix("cutmix", partner, 0.3, (0, 97, 31, 224))))


def cutmix_not_a_permutation(path: Path) -> Content:
    """CutMix partners of which some occur twice."""
    partner = np.random.default_rng(50).integers(0, ROWS, ROWS)
    return augmented(path, Augmentation(mix=Mix("cutmix", partner, 1.0, (0, 0, 0, 0))))


def mixup(path: Path) -> Content:
    """Mixup: a ratio and no box; the second batch is not mixed."""
    partner = np.random.default_rng(51).permutation(ROWS)
    mix = Mix("mixup", partner, float(np.nextafter(0.7, 1)), None)
    return augmented(path, Augmentation(mix=mix), Augmentation())


def cutout_grid(path: Path) -> Content:
    """Cutout on the grid of 224 pixels with whole colours, and on that of 64."""
    rng = np.random.default_rng(52)
    parts = []
    for grid in (224, 64):
        pixels = np.concatenate(
            [rng.integers(0, grid, (ROWS, 4)), rng.integers(0, 256, (ROWS, 3))], 1
        )
        scale = np.array([grid] * 4 + [1] * 3)
        parts.append(Augmentation(cutout=(pixels / scale).astype(np.float32)))
    return augmented(path, *parts)


def cutout_raw(path: Path) -> Content:
    """Cutout on no grid."""
    box = np.random.default_rng(53).random((ROWS, 7)).astype(np.float32)
    return augmented(path, Augmentation(cutout=box))


def drawn(seed: int, decision: Any) -> RandAugment:
    """Three operations, with magnitudes in float16, in float32 and without any."""
    rng = np.random.default_rng(seed)
    magnitude = np.full((ROWS, 3), -99, np.float32)
    magnitude[:, 0] = rng.random(ROWS).astype(np.float16)
    magnitude[:, 1] = rng.random(ROWS)
    op = rng.integers(0, 14, (ROWS, 3))
    kinds = ("float16", "float32", "int64")
    return RandAugment(op, rng.random((ROWS, 3)).astype(decision), magnitude, kinds)


def randaugment(path: Path) -> Content:
    """RandAugment with magnitudes in float16, float32 and int64, decisions in either float."""
    parts = [Augmentation(randaugment=drawn(54, kind)) for kind in (np.float16, np.float32)]
    return augmented(path, *parts)


def everything(path: Path) -> Content:
    """All augmentation parts in one batch."""
    rng = np.random.default_rng(55)
    whole = Augmentation(
        crop=crop_of(56, one_size(375, 500)),
        flip=rng.random(ROWS) < 0.5,
        mix=Mix("cutmix", rng.permutation(ROWS), 0.61, (12, 80, 100, 190)),
        cutout=rng.random((ROWS, 7)).astype(np.float32),
        randaugment=drawn(57, np.float16),
    )
    return augmented(path, whole, replace(whole, crop=None, cutout=None))


CASES = (
    crop_one_size,
    crop_many_sizes,
    crop_half,
    crop_fractions_half,
    crop_fractions_single,
    flip,
    cutmix,
    cutmix_not_a_permutation,
    mixup,
    cutout_grid,
    cutout_raw,
    randaugment,
    everything,
)

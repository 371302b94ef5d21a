from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from labelcodec.analysis import compare_sets
from labelcodec.augmentation.facts import same_bits
from labelcodec.augmentation.randaugment import RandAugment
from tests.analysis.fakes import make_batch


def batches() -> list:
    return [make_batch(0), make_batch(1), make_batch(2)]


def with_augmentation(batch, **parts):
    return replace(batch, augmentation=replace(batch.augmentation, **parts))


def with_labels(batch, **parts):
    return replace(batch, labels=replace(batch.labels, **parts))


def test_equal_sets_are_identical() -> None:
    seen = []
    found = compare_sets(batches(), batches(), lambda *done: seen.append(done))
    assert found.identical
    assert found.difference is None
    assert found.fidelity.labels == 18 and found.fidelity.kl_max[1.0] == 0
    assert seen == [(1, 3), (2, 3), (3, 3)]


def other_mix(batch, **parts):
    return with_augmentation(batch, mix=replace(batch.augmentation.mix, **parts))


def drawn(dtype: str) -> RandAugment:
    ones = np.ones((6, 1), np.float16)
    return RandAugment(np.ones((6, 1), np.int64), ones, ones, (dtype,))


CHANGES = {
    "crop boxes": lambda b: with_augmentation(
        b, crop=replace(b.augmentation.crop, box=b.augmentation.crop.box + np.int32(1))
    ),
    "flips": lambda b: with_augmentation(b, flip=~b.augmentation.flip),
    "flips missing in the second": lambda b: with_augmentation(b, flip=None),
    "mix partners": lambda b: other_mix(b, partner=b.augmentation.mix.partner[::-1].copy()),
    "mix ratios": lambda b: other_mix(b, ratio=0.5),
    "mix boxes": lambda b: other_mix(b, box=(3, 9, 0, 223)),
    "mix kinds missing in the second": lambda b: with_augmentation(b, mix=None),
    "cutouts missing in the first": lambda b: with_augmentation(
        b, cutout=np.zeros((6, 7), np.float32)
    ),
    "randaugment operations missing in the first": lambda b: with_augmentation(
        b, randaugment=drawn("float16")
    ),
    "label values": lambda b: with_labels(b, value=b.labels.value + np.float16(1)),
    "kinds of labels differ, full against top-3": lambda b: with_labels(
        b, value=b.labels.value[:, :3], index=np.tile(np.arange(3), (6, 1)), tail="zero"
    ),
    "label precisions differ, float16 against float32": lambda b: with_labels(
        b, precision="float32"
    ),
}


@pytest.mark.parametrize("expected", CHANGES)
def test_the_first_difference_is_named(expected: str) -> None:
    changed = batches()
    changed[1] = CHANGES[expected](changed[1])
    found = compare_sets(batches(), changed)
    assert not found.identical
    assert found.difference.startswith(f"batch 1: {expected}")
    assert found.fidelity.labels == 18
    json.dumps(found.to_json(), allow_nan=False)


def test_types_of_randaugment_count() -> None:
    a, b = (with_augmentation(make_batch(), randaugment=drawn(t)) for t in ("float16", "int64"))
    assert compare_sets([a], [b]).difference == "batch 0: randaugment types differ"


def test_distances_are_of_all_labels_not_only_of_the_first_difference() -> None:
    changed = batches()
    changed[2] = with_labels(changed[2], value=changed[2].labels.value + np.float16(2))
    changed[2].labels.value[:, 0] += np.float16(6)
    found = compare_sets(batches(), changed)
    assert found.fidelity.max_dz == pytest.approx(8, abs=0.02)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda b: replace(b, number=7), "number 1 of epoch 0 against number 7"),
        (lambda b: replace(b, epoch=1), "against number 1 of epoch 1"),
        (lambda b: replace(b, image_index=b.image_index + 1), "image indices differ"),
        (lambda b: make_batch(1, size=5), "6 samples against 5"),
        (lambda b: make_batch(1, classes=11), "10 classes against 11"),
    ],
)
def test_labels_of_other_samples_have_no_distance(change, expected: str) -> None:
    changed = batches()
    changed[1] = change(changed[1])
    found = compare_sets(batches(), changed)
    assert expected in found.difference
    assert found.fidelity is None


def test_another_number_of_batches() -> None:
    found = compare_sets(batches(), batches()[:2])
    assert found.difference == "3 batches against 2"


def test_crops_known_in_pixels_of_other_sides_are_the_same_fractions() -> None:
    half = make_batch()
    crop = half.augmentation.crop
    doubled = replace(crop, box=crop.box * 2, size=crop.size * 2)
    assert compare_sets([half], [with_augmentation(half, crop=doubled)]).identical


def test_same_bits_tells_zeros_types_and_nans_apart() -> None:
    assert same_bits(np.float32([np.nan]), np.float32([np.nan]))
    assert not same_bits(np.float32([0.0]), np.float32([-0.0]))
    assert not same_bits(np.float32([1.0]), np.float16([1.0]))
    assert not same_bits(np.zeros(2, np.float16), np.zeros(2, np.int16))
    assert not same_bits(np.zeros((1, 2)), np.zeros(2))
    assert not same_bits(1, 1.0)
    assert not same_bits(None, np.zeros(1))

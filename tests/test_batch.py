from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labelcodec.batch import Augmentation, Crop, Labels, RandAugment, validate
from labelcodec.errors import DataError
from tests.codecs.content import Recipe, batch

FULL = Recipe(k=3, tail="zero", cutout="grid", magnitudes=("int64",))
GOOD = batch(FULL, 7)


def labels(value, index=None, classes=4, **rest):
    value = np.array(value, np.float32)
    index = None if index is None else np.array(index)
    return Labels(classes, value, index, precision="float32", **rest)


class TestDense:
    def test_too_many_to_expand(self):
        few = labels(np.ones((300, 1)), np.zeros((300, 1), int), classes=1 << 20, tail="zero")
        with pytest.raises(DataError, match="too many to expand"):
            few.dense()

    def test_full_labels(self):
        full = labels([[1, 2, 3, 4]])
        assert (full.k, len(full)) == (None, 1)
        assert full.dense().dtype == np.float32 and full.dense().tolist() == [[1, 2, 3, 4]]

    def test_kept_logits(self):
        kept = labels([[5, 1]], [[2, 0]], tail="zero")
        assert kept.k == 2
        assert kept.dense().tolist() == [[1, -np.inf, 5, -np.inf]]

    def test_floor(self):
        kept = labels([[5, 1]], [[2, 0]], tail="floor", floor=np.float32([-9]))
        assert kept.dense().tolist() == [[1, -9, 5, -9]]

    def test_kept_probabilities_are_renormalised(self):
        kept = labels([[0.5, 0.25]], [[2, 0]], space="probabilities", tail="zero")
        assert np.allclose(kept.dense(), [[1 / 3, 0, 2 / 3, 0]])

    def test_uniform(self):
        kept = labels([[0.5, 0.25]], [[2, 0]], space="probabilities", tail="uniform")
        assert kept.dense().tolist() == [[0.25, 0.125, 0.5, 0.125]]

    def test_uniform_with_nothing_left_out(self):
        kept = labels([[0.75, 0.25]], [[1, 0]], 2, space="probabilities", tail="uniform")
        assert kept.dense().tolist() == [[0.25, 0.75]]


def test_fractions_are_rounded_twice():
    box, size = np.array([[1, 2, 3, 4]], np.int32), np.array([[7, 9]], np.int32)
    wide = np.array([[1 / 7, 2 / 9, 3 / 7, 4 / 9]])
    assert (Crop(box, size).fractions() == wide.astype(np.float32)).all()
    half = Crop(box, size, "float16").fractions()
    assert half.dtype == np.float16 and (half == wide.astype(np.float32).astype(np.float16)).all()


def test_good_batches():
    validate(GOOD)
    validate(replace(GOOD, augmentation=Augmentation()))


def with_labels(**change):
    return replace(GOOD, labels=replace(GOOD.labels, **change))


def with_augmentation(**change):
    return replace(GOOD, augmentation=replace(GOOD.augmentation, **change))


def with_mix(**change):
    return with_augmentation(mix=replace(GOOD.augmentation.mix, **change))


NINE = np.zeros((9, 3), np.int64)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (replace(GOOD, number=-1), "batch -1: has a negative number"),
        (replace(GOOD, epoch=-1), "negative number or epoch"),
        (replace(GOOD, image_index=np.zeros(0, int)), "has 0 samples"),
        (replace(GOOD, image_index=np.zeros((1 << 16) + 1, int)), "has 65537 samples"),
        (replace(GOOD, image_index=GOOD.image_index * 0 - 1), "not negative"),
        (replace(GOOD, image_index=GOOD.image_index[:5]), r"top-k classes has shape \(9, 3\)"),
        (with_labels(classes=0), "0 classes"),
        (with_labels(classes=1 << 21), "2097152 classes"),
        (with_labels(value=GOOD.labels.value.astype(float)), "values are float64"),
        (with_labels(value=GOOD.labels.value[:, :2]), "top-k values has shape"),
        (with_labels(index=None), "dense labels has shape"),
        (with_labels(index=NINE[:, :0]), "top-k classes have shape"),
        (with_labels(index=NINE + 12), r"sample 0: top-k class 12 is outside 0\.\.11"),
        (with_labels(index=NINE - 1), "top-k class -1 is outside"),
        (with_labels(tail=None), "what their tail is"),
        (with_labels(tail="uniform"), "'uniform' tail needs probabilities"),
        (with_labels(tail="floor"), "floor values come together"),
        (with_labels(floor=np.zeros(9, np.float16)), "floor values come together"),
        (with_labels(tail="floor", floor=np.zeros(8, np.float16)), "floor has shape"),
        (with_augmentation(flip=np.zeros(8, bool)), "flips has shape"),
        (with_augmentation(crop=Crop(np.zeros((8, 4)), None)), "crop boxes has shape"),
        (with_augmentation(crop=Crop(np.zeros((9, 4)), NINE[:, :1])), "crop source sizes has"),
        (with_augmentation(cutout=np.zeros((9, 6), np.float32)), "cutout has shape"),
        (with_augmentation(randaugment=RandAugment(NINE, NINE, NINE, ("int64",))), "randaugment"),
        (with_mix(partner=np.zeros(8, int)), "mix partners has shape"),
        (with_mix(partner=np.full(9, 9)), r"must lie in 0\.\.8"),
        (with_mix(partner=np.full(9, -1)), r"must lie in 0\.\.8"),
        (with_mix(box=None), "cutmix needs a box"),
        (with_mix(kind="mixup"), "mixup has none"),
    ],
)
def test_parts_that_disagree(bad, message):
    with pytest.raises(DataError, match=message):
        validate(bad)

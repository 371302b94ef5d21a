from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import labelcodec
from labelcodec import Writer
from labelcodec.augmentation.crop import Crop
from labelcodec.augmentation.parts import Augmentation
from labelcodec.augmentation.randaugment import RandAugment
from labelcodec.errors import DataError
from labelcodec.validation import validate
from tests.codecs.content import Recipe, batch

FULL = Recipe(k=3, tail="zero", cutout="grid", magnitudes=("int64",))
GOOD = batch(FULL, 7)


def test_good_batches():
    validate(GOOD)
    validate(replace(GOOD, augmentation=Augmentation()))


def with_labels(**change):
    return replace(GOOD, labels=replace(GOOD.labels, **change))


def with_augmentation(**change):
    return replace(GOOD, augmentation=replace(GOOD.augmentation, **change))


def with_mix(**change):
    return with_augmentation(mix=replace(GOOD.augmentation.mix, **change))


NINE, FLOATS = np.zeros((9, 3), np.int64), np.zeros((9, 1), np.float32)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (replace(GOOD, number=-1), "batch -1: has a negative number"),
        (replace(GOOD, epoch=-1), "negative number or epoch"),
        (replace(GOOD, image_index=np.zeros(0, int)), "has 0 samples"),
        (replace(GOOD, image_index=np.zeros((1 << 16) + 1, int)), "has 65537 samples"),
        (replace(GOOD, image_index=GOOD.image_index * 0 - 1), "not negative"),
        (replace(GOOD, image_index=GOOD.image_index[:5]), r"top-k classes have shape \(9, 3\)"),
        (with_labels(classes=0), "0 classes"),
        (with_labels(classes=1 << 21), "2097152 classes"),
        (with_labels(value=GOOD.labels.value.astype(float)), "values are float64"),
        (with_labels(value=GOOD.labels.value[:, :2]), "top-k values have shape"),
        (with_labels(index=None), "dense labels have shape"),
        (with_labels(index=NINE[:, :0]), "top-k classes have shape"),
        (with_labels(index=NINE + 12), r"sample 0: top-k class 12 is outside 0\.\.11"),
        (with_labels(index=NINE - 1), "top-k class -1 is outside"),
        (with_labels(tail=None), "what their tail is"),
        (with_labels(tail="uniform"), "'uniform' tail needs probabilities"),
        (with_labels(tail="floor"), "floor values come together"),
        (with_labels(floor=np.zeros(9, np.float16)), "floor values come together"),
        (with_labels(tail="floor", floor=np.zeros(8, np.float16)), "floors have shape"),
        (with_augmentation(flip=np.zeros(8, bool)), "flips have shape"),
        (with_augmentation(crop=Crop(np.zeros((8, 4), np.float32), None)), "crop boxes have shape"),
        (
            with_augmentation(crop=Crop(np.zeros((9, 4), int), NINE[:, :1])),
            "crop source sizes have",
        ),
        (
            with_augmentation(crop=Crop(np.zeros((9, 4), int), np.zeros((9, 2), int))),
            "crop source sizes must be positive",
        ),
        (with_augmentation(cutout=np.zeros((9, 6), np.float32)), "cutouts have shape"),
        (
            with_augmentation(randaugment=RandAugment(NINE[:, :2], FLOATS, FLOATS, ("int64",))),
            "randaugment operations have shape",
        ),
        (with_mix(partner=np.zeros(8, int)), "mix partners have shape"),
        (with_mix(partner=np.full(9, 9)), r"must lie in 0\.\.8"),
        (with_mix(partner=np.full(9, -1)), r"must lie in 0\.\.8"),
        (with_mix(box=None), "cutmix needs a box"),
        (with_mix(kind="mixup"), "mixup has none"),
    ],
)
def test_parts_that_disagree(bad, message):
    with pytest.raises(DataError, match=message):
        validate(bad)


DRAWN = GOOD.augmentation.randaugment
FRACTIONS = np.zeros((9, 4), np.float32)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (5, "expected a LabelBatch, got int"),
        ((GOOD.image_index, GOOD.labels), "expected a LabelBatch, got tuple"),
        (replace(GOOD, number=1.0), "batch 1.0: its number is 1.0, expected an integer"),
        (replace(GOOD, epoch=None), "its epoch is None"),
        (replace(GOOD, epoch=True), "its epoch is True"),
        (replace(GOOD, image_index=list(range(9))), "image indices: expected a numpy array, got l"),
        (replace(GOOD, image_index=GOOD.image_index.astype(float)), "image indices are float64, e"),
        (replace(GOOD, image_index=np.ones(9, bool)), "image indices are bool, expected integers"),
        (replace(GOOD, labels=GOOD.labels.value), "labels: expected Labels, got ndarray"),
        (replace(GOOD, augmentation=None), "augmentation: expected Augmentation, got NoneType"),
        (with_labels(classes="12"), "the number of classes is '12'"),
        (with_labels(value=GOOD.labels.value.tolist()), "label values: expected a numpy array"),
        (with_labels(value=GOOD.labels.value.astype(">f2")), "label values are >f2"),
        (
            with_labels(index=GOOD.labels.index.astype(np.float32)),
            "classes are float32, expected i",
        ),
        (with_labels(tail="floor", floor=np.zeros(9)), "floors are float64, expected float16"),
        (with_augmentation(crop=FRACTIONS), "crop: expected Crop, got ndarray"),
        (
            with_augmentation(crop=Crop(FRACTIONS, NINE[:, :2])),
            "crop boxes are float32, expected i",
        ),
        (
            with_augmentation(crop=Crop(FRACTIONS.astype(int), None)),
            "crop boxes are int64, expected",
        ),
        (with_augmentation(flip=np.ones(9, np.uint8)), "flips are uint8, expected bool"),
        (with_augmentation(cutout=np.zeros((9, 7))), "cutouts are float64, expected float32"),
        (with_augmentation(randaugment=(1, 2)), "randaugment: expected RandAugment, got tuple"),
        (with_augmentation(randaugment=replace(DRAWN, op=DRAWN.decision)), "operations are float"),
        (with_augmentation(randaugment=replace(DRAWN, magnitude=DRAWN.op)), "magnitudes are int64"),
        (with_augmentation(mix=0.5), "mix: expected Mix, got float"),
        (
            with_mix(partner=GOOD.augmentation.mix.partner.tolist()),
            "mix partners: expected a numpy",
        ),
        (with_mix(ratio="0.5"), "the mix ratio is '0.5', expected a number"),
        (with_mix(kind="blend"), "the mix is 'blend', expected 'cutmix' or 'mixup'"),
        (with_mix(box=(1, 2, 3)), r"the mix box is \(1, 2, 3\), expected four integers"),
        (with_mix(box=(1, 2, 3, 4.5)), "an edge of the mix box is 4.5"),
    ],
)
def test_parts_of_the_wrong_type(bad, message):
    with pytest.raises(DataError, match=message):
        validate(bad)


def test_integers_of_any_size_are_stored(tmp_path):
    mix = replace(GOOD.augmentation.mix, box=tuple(map(np.int64, (1, 2, 3, 4))), ratio=np.half(0.5))
    index = GOOD.labels.index.astype(np.int16)
    made = replace(
        GOOD,
        number=np.int32(3),
        image_index=(GOOD.image_index % 100).astype(np.uint8),
        augmentation=replace(
            GOOD.augmentation, mix=replace(mix, partner=mix.partner.astype(np.uint8))
        ),
        labels=replace(GOOD.labels, index=index),
    )
    with Writer(tmp_path / "a.slc", FULL.header(), "topk") as writer:
        writer.add(made)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        found = reader[0]
    assert found.number == 3
    assert found.image_index.tolist() == (GOOD.image_index % 100).tolist()
    assert found.labels.index.tolist() == index.tolist()
    assert found.augmentation.mix.partner.tolist() == mix.partner.tolist()
    assert (found.augmentation.mix.box, found.augmentation.mix.ratio) == ((1, 2, 3, 4), 0.5)


def test_the_writer_refuses_and_leaves_nothing(tmp_path):
    for bad in (5, with_augmentation(flip=[True] * 9)):
        with (
            pytest.raises(DataError, match="expected a"),
            Writer(tmp_path / "a.slc", FULL.header(), "topk") as writer,
        ):
            writer.add(bad)
    assert not list(tmp_path.iterdir())

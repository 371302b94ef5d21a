from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import labelcodec
from labelcodec.analysis.description import describe_batch, describe_set
from labelcodec.augmentation.crop import Crop
from labelcodec.batch import Labels
from labelcodec.header import Header
from tests.analysis.fakes import make_batch


@pytest.fixture
def described(tmp_path):
    """Writes batches and describes the set and its last batch."""

    def describe(codec: str, *batches):
        path = tmp_path / "labels.slc"
        header = Header(10, images=6, mix="cutmix")
        with labelcodec.Writer(path, header, codec, allow_nonfinite=True) as writer:
            for batch in batches:
                writer.add(batch)
        with labelcodec.open(path) as reader:
            last = describe_batch(reader, len(reader) - 1)
            found = describe_set(reader), last
            assert sum(last["components"].values()) == reader.index.size[-1]
        return json.loads(json.dumps(found, allow_nan=False))

    return describe


def test_index_summary(described) -> None:
    whole, _ = described("dense", make_batch(3), make_batch(7, size=4))
    assert whole["index"]["batches"] == 2
    assert whole["index"]["labels"] == 10
    assert whole["index"]["batch_numbers"] == [3, 7]
    assert whole["index"]["batch_sizes"] == [4, 6]
    assert whole["index"]["epochs"] == 1
    assert whole["header"]["codec"]["name"] == "dense"
    assert whole["image_names"] is None


@pytest.mark.parametrize("codec", ["dense", "topk:k=6"])
def test_first_samples_are_those_of_the_batch(described, codec: str) -> None:
    batch = make_batch(1)
    _, found = described(codec, batch)
    assert (found["number"], found["position"], found["samples"]) == (1, 0, 6)
    assert found["labels"]["k"] == (None if codec == "dense" else 6)
    assert found["augmentation"]["mix"] == {"kind": "cutmix", "ratio": 0.25, "box": [3, 9, 0, 224]}
    for row, sample in enumerate(found["first_samples"]):
        assert sample["image"] == batch.image_index[row]
        assert sample["crop"] == batch.augmentation.crop.box[row].tolist()
        assert sample["flip"] == batch.augmentation.flip[row]
        assert sample["mix_partner"] == batch.augmentation.mix.partner[row]
        values = batch.labels.value[row].astype(float)
        best = np.argsort(-values, kind="stable")[:5]
        assert sample["largest"] == [[int(name), values[name]] for name in best]


def test_nan_is_written_as_text(described) -> None:
    value = np.full((6, 10), np.nan, np.float16)
    value[:, 0] = np.inf
    _, found = described("dense", replace(make_batch(), labels=Labels(10, value)))
    assert [score for _, score in found["first_samples"][0]["largest"]] == [None] * 5


def test_augmentations_that_are_no_numbers_are_written_as_text(described) -> None:
    batch = make_batch()
    mix = replace(batch.augmentation.mix, ratio=np.nan)
    crop = Crop(np.full((6, 4), np.inf, np.float32), None)
    cutout = np.full((6, 7), -np.inf, np.float32)
    augmentation = replace(batch.augmentation, mix=mix, crop=crop, cutout=cutout)
    _, found = described("dense", replace(batch, augmentation=augmentation))
    assert found["augmentation"]["mix"]["ratio"] is None
    assert found["first_samples"][0]["crop"] == [None] * 4
    assert found["first_samples"][0]["cutout"] == [None] * 7


def test_a_header_may_hold_what_json_lacks(tmp_path) -> None:
    header = Header(10, teacher={"score": [np.nan, b"\x01\xff"]})
    with labelcodec.Writer(tmp_path / "a.slc", header, "dense"):
        pass
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert describe_set(reader)["header"]["teacher"] == {"score": [None, "01ff"]}


def test_an_empty_set(tmp_path) -> None:
    with labelcodec.Writer(tmp_path / "empty.slc", Header(10), "dense"):
        pass
    with labelcodec.open(tmp_path / "empty.slc") as reader:
        found = describe_set(reader)
    assert found["index"]["batch_numbers"] is None
    assert found["index"]["labels"] == 0

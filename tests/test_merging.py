from __future__ import annotations

import numpy as np
import pytest

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels, Writer
from labelcodec.errors import MismatchError
from labelcodec.merging import merge


def batch(number: int, classes: int = 7) -> LabelBatch:
    rng = np.random.default_rng(number)
    value = rng.normal(size=(5, classes)).astype(np.float16)
    return LabelBatch(number, 0, np.arange(5), Augmentation(), Labels(classes, value))


def shard(path, numbers, source_bytes: int, **header) -> None:
    described = Header(classes=7, source={"layout": "sre2l", "bytes": source_bytes}, **header)
    with Writer(path, described, "dense") as writer:
        for number in numbers:
            writer.add(batch(number))


def test_shards_with_their_own_tables_become_one_set(tmp_path):
    shard(tmp_path / "a.slc", [0, 2], 100)
    shard(tmp_path / "b.slc", [1, 3], 23)
    merge([tmp_path / "a.slc", tmp_path / "b.slc"], tmp_path / "all.slc")
    with labelcodec.open(tmp_path / "all.slc") as merged:
        assert merged.index.number.tolist() == [0, 1, 2, 3]
        assert merged.header.source == {"layout": "sre2l", "bytes": 123}
        for found in merged:
            expected = batch(found.number)
            assert found.labels.value.tobytes() == expected.labels.value.tobytes()


@pytest.mark.parametrize(
    ("numbers", "header"), [([1, 2], {}), ([3], {"epochs": 9})], ids=["repeated batch", "header"]
)
def test_what_does_not_belong_together_is_refused(tmp_path, numbers, header):
    shard(tmp_path / "a.slc", [0, 1], 100)
    shard(tmp_path / "b.slc", numbers, 100, **header)
    with pytest.raises(MismatchError):
        merge([tmp_path / "a.slc", tmp_path / "b.slc"], tmp_path / "all.slc")
    assert {path.name for path in tmp_path.iterdir()} == {"a.slc", "b.slc"}

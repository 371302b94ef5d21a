from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels, Writer, recode
from labelcodec.codecs import fitting_sample
from labelcodec.codecs.dense.codec import Dense
from labelcodec.codecs.fitting_sample import sample_limit, sampled_batches
from labelcodec.codecs.topk.codec import TopK
from labelcodec.codecs.transform.codec import Transform
from labelcodec.container import RecordReader


@given(st.lists(st.integers(1, 64), max_size=60), st.integers(1, 2000), st.integers(1, 600))
def test_a_sample_is_spread_over_the_whole_set(lengths, label_bytes, most) -> None:
    positions = sampled_batches(lengths, label_bytes, most)
    assert positions == sorted(set(positions))
    if not lengths:
        assert positions == []
        return
    wanted = max(most // lengths[0], 1)
    assert len(positions) == min(wanted, len(lengths))
    assert positions[0] == 0
    if len(positions) > 1:
        assert positions[-1] == len(lengths) - 1
        steps = np.diff(positions)
        assert steps.max() - steps.min() <= 1


def test_the_limit_of_a_sample(monkeypatch) -> None:
    monkeypatch.setattr(fitting_sample, "FIT_BYTES", 1000)
    assert sample_limit(10, 50) == 50
    assert sample_limit(100, 50) == 10
    assert sample_limit(5000, 50) == 1


def test_memory_bounds_the_sample(monkeypatch) -> None:
    monkeypatch.setattr(fitting_sample, "FIT_BYTES", 64 * 100)
    assert len(sampled_batches([16] * 100, 100, 10**6)) == 4


def tables(path) -> bytes:
    """Side information of a container."""
    with RecordReader(path) as records:
        assert records.sides == 1
        return records.side(0)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """40 batches of full labels, whose logits drift."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("source") / "source.slc"
    with Writer(path, Header(classes=20), "dense") as writer:
        for number in range(40):
            logits = rng.normal(number / 10, 2, (16, 20)).astype(np.float16)
            labels = Labels(20, logits)
            writer.add(LabelBatch(number, 0, rng.integers(0, 99, 16), Augmentation(), labels))
    return path


@pytest.mark.parametrize("codec", ["dense", "topk:k=5", "transform:rank=4,step=2,peaks=1"])
@pytest.mark.parametrize("most", [64, 10**6])
def test_a_writer_fits_the_tables_of_encode(tmp_path, monkeypatch, source, codec, most) -> None:
    """Given `expected`, whether the sample is the whole set or a part of it."""
    for kind in (Dense, TopK, Transform):
        monkeypatch.setattr(kind, "fit_labels", most)
    recode(source, tmp_path / "encoded.slc", codec)
    with labelcodec.open(source) as reader:
        header = replace(reader.header, codec="", config={})
        for name, expected in (("told", 640), ("untold", None)):
            with Writer(tmp_path / f"{name}.slc", header, codec, expected=expected) as writer:
                for batch in reader:
                    writer.add(batch)
                    assert (writer.coder is None) == (writer.waiting > 0)
    assert tables(tmp_path / "told.slc") == tables(tmp_path / "encoded.slc")
    same = tables(tmp_path / "untold.slc") == tables(tmp_path / "encoded.slc")
    assert same == (most > 640)  # the first labels only are another sample
    with labelcodec.open(tmp_path / "told.slc") as told, labelcodec.open(source) as reader:
        assert [batch.number for batch in told] == list(range(40))
        if codec == "dense":
            for left, right in zip(told, reader, strict=True):
                np.testing.assert_array_equal(left.labels.value, right.labels.value)
    assert not list(tmp_path.glob("*.fitting*"))

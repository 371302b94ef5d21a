"""Accounting and fidelity of labels of tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels, Sequences
from labelcodec.analysis.open_any import fidelity_of
from labelcodec.kept_counts import pad
from tests.cli.call import call

CLASSES, LENGTHS = 60, (9, 14)


@pytest.fixture
def full(tmp_path):
    """Full labels of two sequences, the second in two batches."""
    rng = np.random.default_rng(0)
    header = Header(CLASSES, kind="tokens", shift=1)
    path = tmp_path / "full.slc"
    with labelcodec.Writer(path, header, "dense") as writer:
        for number, (length, start) in enumerate((([9, 8], [0, 0]), ([6], [8]))):
            sequences = Sequences(np.array(length), np.array(start))
            value = rng.normal(0, 2, (sum(length), CLASSES)).astype(np.float16)
            index = np.repeat(np.arange(2)[-len(length) :], length)
            labels = Labels(CLASSES, value)
            writer.add(LabelBatch(number, 0, index, Augmentation(), labels, sequences))
    return path


def test_tokens_are_counted_and_compared_with_bare_logits(full):
    stats = labelcodec.stats(full)
    assert (stats.kind, stats.labels, stats.sequences, stats.kept_mass) == ("tokens", 23, 2, None)
    assert stats.raw_bytes == 2 * 23 * CLASSES


@pytest.mark.parametrize("codec", ["topk:k=7", "topk:k=7,tail=mass", "sampled:n=12"])
def test_mass_of_kept_classes(full, tmp_path, codec):
    """Against the source for every codec; without it where the labels say what they leave out."""
    labelcodec.recode(full, tmp_path / "few.slc", codec)
    with labelcodec.open(full) as one, labelcodec.open(tmp_path / "few.slc") as other:
        mass = []
        for left, right in zip(one, other, strict=True):
            shares = np.exp(left.labels.dense().astype(float))
            shares /= shares.sum(axis=1, keepdims=True)
            is_kept = right.labels.value > (0 if right.labels.space == "probabilities" else -99)
            kept = np.take_along_axis(shares, right.labels.index, axis=1)
            mass.append(kept.sum(axis=1, where=is_kept))
    expected = float(np.concatenate(mass).mean())
    assert fidelity_of(full, tmp_path / "few.slc").kept_mass == pytest.approx(expected, abs=1e-6)
    assert fidelity_of(full, full).kept_mass is None
    stats = labelcodec.stats(tmp_path / "few.slc")
    if codec.endswith("mass"):
        assert stats.kept_mass == pytest.approx(expected, abs=2e-3)
    else:
        assert stats.kept_mass is None


def test_the_theoretical_rate_counts_the_classes_that_are_kept(full, tmp_path):
    """Not the columns of labels that keep fewer, or drew a class twice."""
    labelcodec.recode(full, tmp_path / "drawn.slc", "sampled:n=12")
    labelcodec.recode(full, tmp_path / "top.slc", "topk:k=7")
    numbers = np.arange(23) % 6 + 2
    with (
        labelcodec.open(tmp_path / "top.slc") as top,
        labelcodec.Writer(tmp_path / "ragged.slc", top.header, "topk") as writer,
    ):
        for batch in top:
            begin = 17 * batch.number
            labels = pad(batch.labels, numbers[begin : begin + len(batch)])
            writer.add(replace(batch, labels=labels))
    with labelcodec.open(tmp_path / "drawn.slc") as reader:
        drawn = sum(np.count_nonzero(batch.labels.value) for batch in reader)
    assert drawn < 12 * 23
    for name, kept in (("top", 7 * 23), ("ragged", numbers.sum()), ("drawn", drawn)):
        rate = labelcodec.stats(tmp_path / f"{name}.slc").theoretical_rate
        assert rate == pytest.approx(CLASSES / (2 * kept / 23))


def test_commands(full, tmp_path, capsys):
    call(capsys, "encode", full, tmp_path / "few.slc", "--codec", "topk:k=7,tail=mass")
    shown = call(capsys, "stats", tmp_path / "few.slc", "--against", full).out
    for text in ("tokens", "sequences", "bytes per token", "mass of kept classes", "as full fl"):
        assert text in shown
    assert "SRe2L" not in shown and "mass of kept classes in the reference" in shown

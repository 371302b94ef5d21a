"""Comparison, statistics and inspection of labels of tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import labelcodec
from labelcodec.analysis import fidelity
from tests.cli.call import call
from tests.sequences import samples
from tests.sequences.test_sequences import write


@pytest.fixture
def batch():
    return samples.batch(names=("a", "b", "c"), mask=np.arange(14) != 6)


def test_what_differs_is_named(tmp_path, batch) -> None:
    path = write(tmp_path / "a.slc", [batch])
    changes = {
        "tokens": (batch.sequences.tokens + 1) % 300,
        "names": ("a", "b", "d"),
        "digest": None,
        "mask": np.ones(14, bool),
        "start": np.array([0, 0, 4]),
    }
    named = ("token ids", "sequence names", "sequence digests", "loss masks", "sequence starts")
    for words, (name, value) in zip(named, changes.items(), strict=True):
        other = replace(batch, sequences=replace(batch.sequences, **{name: value}))
        write(tmp_path / f"{name}.slc", [other])
        comparison = labelcodec.compare(path, tmp_path / f"{name}.slc")
        assert not comparison.identical
        assert words in comparison.difference
    moved = replace(batch, image_index=batch.image_index + 1)
    comparison = labelcodec.compare(path, write(tmp_path / "m.slc", [moved]))
    assert "numbers of sequences differ" in comparison.difference


def test_vocabularies_are_compared_a_few_positions_at_a_time(tmp_path, monkeypatch, batch) -> None:
    path = write(tmp_path / "a.slc", [batch])
    other = replace(batch, labels=replace(batch.labels, value=batch.labels.value * 2))
    second = write(tmp_path / "b.slc", [other])
    expected = labelcodec.compare(path, second).fidelity
    monkeypatch.setattr(fidelity, "_CHUNK", 2 * samples.CLASSES)
    monkeypatch.setattr("labelcodec.batch.MAX_DENSE", 2 * samples.CLASSES)
    measured = labelcodec.compare(path, second).fidelity
    assert measured.labels == 14
    assert measured.tv == pytest.approx(expected.tv)
    assert measured.top1_agreement == expected.top1_agreement == 1
    assert min(measured.tv.values()) > 0
    assert labelcodec.compare(path, path).identical


def test_inspect_says_where_a_position_stands(tmp_path, batch, capsys) -> None:
    path = write(tmp_path / "a.slc", [batch])
    shown = call(capsys, "inspect", path, "--batch", 0, "--json").json()
    (rows,) = [value for value in shown["batch"].values() if isinstance(value, list)]
    row = rows[0]
    assert (row["sequence"], row["name"], row["position"], row["in_loss"]) == (0, "a", 0, True)
    assert row["token"] == batch.sequences.tokens[0]
    assert "sequence" in call(capsys, "inspect", path, "--batch", 0).out

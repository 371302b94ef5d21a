"""Draws are unbiased, and come back as they were drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels, Writer
from labelcodec.codecs.sampled import drawing
from labelcodec.codecs.sampled.arrangement import to_arrays, to_lists
from labelcodec.codecs.sampled.codec import Sampled
from labelcodec.errors import ConfigError, CorruptError, DataError

BLANK = Labels(0, np.zeros((0, 0), np.float16), None, "probabilities", "zero", "float32")


def full(seed: int = 0, rows: int = 30, classes: int = 40, spread: float = 2.0) -> Labels:
    value = np.random.default_rng(seed).normal(size=(rows, classes)) * spread
    return Labels(classes, value.astype(np.float16))


def top(labels: Labels, k: int, tail: str = "zero") -> Labels:
    index = np.argsort(-labels.value, axis=1, kind="stable")[:, :k]
    value = np.take_along_axis(labels.value, index, axis=1)
    floor = labels.value.min(axis=1) if tail == "floor" else None
    space = "logits"
    if tail == "uniform":
        space = "probabilities"
        power = np.exp(labels.value.astype(float))
        value = np.take_along_axis(power / power.sum(axis=1, keepdims=True), index, axis=1)
        value = value.astype(np.float32)
    return replace(labels, value=value, index=index, tail=tail, floor=floor, space=space)


def probabilities(labels: Labels) -> np.ndarray:
    dense = labels.dense().astype(float)
    if labels.space == "probabilities":
        return dense
    power = np.exp(dense - dense.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)


def shares(labels: Labels) -> np.ndarray:
    return labels.dense().astype(float)


@settings(deadline=None)
@given(
    st.integers(0, 99),
    st.integers(1, 20),
    st.sampled_from([(1, 1), (1, 9), (7, 7), (20, 40), (40, 40), (64, 5000)]),
    st.sampled_from([0.1, 2.0, 20.0]),
)
def test_labels_come_back_as_they_were_drawn(seed, rows, sizes, spread) -> None:
    draws, classes = sizes
    codec = Sampled(draws, seed)
    prepared = codec.prepare(full(seed, rows, classes, spread))
    coder = codec.fit([prepared], classes)
    streams = coder.encode(prepared)
    coder = codec.from_parts(coder.to_parts(), classes)
    views = {stream: memoryview(data) for stream, data in streams.items()}
    decoded = coder.decode(views, rows, replace(BLANK, classes=classes))
    assert np.array_equal(decoded.index, prepared.index)
    assert np.array_equal(decoded.value, prepared.value)
    assert (np.sort(decoded.index, axis=1)[:, 1:] != np.sort(decoded.index, axis=1)[:, :-1]).all()
    counts = np.rint(decoded.value * draws).astype(int)
    assert (counts.sum(axis=1) == draws).all()
    assert (np.diff(counts, axis=1) <= 0).all()
    used = coder.usage(prepared, {stream: len(data) for stream, data in streams.items()})
    assert list(used) == ["label values"]


@pytest.mark.parametrize("tail", [None, "zero", "floor", "uniform"])
def test_shares_are_unbiased_and_close(tail) -> None:
    """A class is drawn n p times on average, and never a whole draw away from it."""
    labels = full(3, rows=4, classes=30)
    labels = labels if tail is None else top(labels, 8, tail)
    expected, draws = probabilities(labels), 10
    sums = np.zeros_like(expected)
    for seed in range(400):
        share = shares(Sampled(draws, seed).prepare(labels))
        kept = slice(None) if tail is None else np.arange(4)[:, None], labels.index
        if tail in (None, "zero"):
            assert (np.abs(share - expected)[kept] < 1 / draws + 1e-6).all()
        sums += share
    error = np.abs(sums / 400 - expected).max()
    assert error < 0.02  # 6 standard deviations at the most


def test_cross_entropy_is_that_of_the_label_where_top_k_is_biased() -> None:
    labels = full(5, rows=200, classes=300, spread=1.0)
    student = np.log(probabilities(labels))  # it has learned them

    def entropy(kept: Labels) -> float:
        return float(-(probabilities(kept) * student).sum(axis=1).mean())

    exact = entropy(labels)
    drawn = np.mean([entropy(Sampled(20, seed).prepare(labels)) for seed in range(30)])
    assert abs(drawn - exact) < 0.02
    assert abs(entropy(top(labels, 20)) - exact) > 0.1


def test_draws_depend_on_labels_and_seed_alone() -> None:
    labels = full()
    one, again, other = (Sampled(9, seed).prepare(labels) for seed in (1, 1, 2))
    assert np.array_equal(one.index, again.index) and np.array_equal(one.value, again.value)
    assert not np.array_equal(one.value, other.value)
    drawn_again = Sampled(9, 5).prepare(one)  # shares of nine draws are drawn as they are
    assert np.array_equal(drawn_again.index, one.index)
    assert np.array_equal(drawn_again.value, one.value)


def test_few_rows_at_a_time_change_nothing(monkeypatch) -> None:
    expected = Sampled(9).prepare(full())
    monkeypatch.setattr(drawing, "AT_ONCE", 1)
    assert np.array_equal(Sampled(9).prepare(full()).index, expected.index)


@given(st.integers(0, 99), st.integers(1, 6), st.integers(1, 9))
def test_lists_and_arrays(seed, samples, width) -> None:
    rng = np.random.default_rng(seed)
    count = np.zeros((samples, 12), np.int64)
    for row in count:
        size = rng.integers(1, min(width, 12) + 1)
        row[rng.permutation(12)[:size]] = rng.integers(1, 5, size)
    rows, classes = np.nonzero(count)
    index, counts = to_arrays(rows, classes, count[rows, classes], samples, width)
    again = np.zeros_like(count)
    listed = to_lists(index, counts)
    again[listed[0], listed[1]] = listed[2]
    assert np.array_equal(again, count)
    for row, own in zip(index, counts, strict=True):
        missing = [c for c in range(12 + width) if c not in row[own > 0]]
        assert row[own == 0].tolist() == missing[: int((own == 0).sum())]


def test_the_nth_omitted_class() -> None:
    kept = np.array([[0, 1, 5], [2, 3, 4], [1, 2, 9]])
    omitted = [[c for c in range(12) if c not in row] for row in kept]
    for nth in range(9):
        found = drawing._nth_omitted(kept, np.full(3, nth))
        assert found.tolist() == [row[nth] for row in omitted]


def test_a_file(tmp_path) -> None:
    batches = [
        LabelBatch(i, 0, np.arange(30), Augmentation(), full(i, classes=200)) for i in range(3)
    ]
    path = tmp_path / "a.slc"
    with Writer(path, Header(200), "sampled:n=12,seed=3") as writer:
        for batch in batches:
            writer.add(batch)
    with labelcodec.open(path) as reader:
        header = reader.header
        assert (header.k, header.tail, header.space) == (12, "zero", "probabilities")
        assert header.precision == "float32"
        for batch, source in zip(reader, batches, strict=True):
            expected = Sampled(12, 3).prepare(source.labels)
            assert np.array_equal(batch.labels.index, expected.index)
            assert np.array_equal(batch.labels.value, expected.value)
    assert labelcodec.verify(path).sound
    assert labelcodec.stats(path).components["label index"] > 0


@pytest.mark.parametrize("arguments", [{"n": 0}, {"n": 4097}, {"seed": -1}, {"seed": 1 << 32}])
def test_impossible_settings(arguments) -> None:
    with pytest.raises(ConfigError, match="allowed are"):
        Sampled(**arguments)


def test_labels_that_cannot_be_drawn_from() -> None:
    labels = full()
    for wrong in (np.nan, np.inf):
        value = labels.value.copy()
        value[4, 7] = wrong
        with pytest.raises(DataError, match="sample 4 has no distribution"):
            Sampled(5).prepare(replace(labels, value=value))
    nothing = replace(labels, value=np.zeros((30, 40), np.float32), space="probabilities")
    with pytest.raises(DataError, match="sample 0 has no distribution"):
        Sampled(5).prepare(nothing)
    with pytest.raises(DataError, match="n=41 draws of 40 classes"):
        Sampled(41).prepare(labels)
    with pytest.raises(DataError, match="at most 2097152 fit"):
        Sampled(4096).prepare(full(rows=600, classes=5000))
    coder = Sampled(5).fit([Sampled(5).prepare(labels)], 40)
    with pytest.raises(DataError, match="not shares of 5 draws"):
        coder.encode(Sampled(7).prepare(labels))


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_damaged_streams_are_refused_or_consistent(seed, changes) -> None:
    rng = np.random.default_rng(seed)
    prepared = Sampled(9).prepare(full(1, rows=6))
    coder = Sampled(9).fit([prepared], 40)
    streams = {stream: bytearray(data) for stream, data in coder.encode(prepared).items()}
    for _ in range(changes):
        damaged = streams[list(streams)[rng.integers(2)]]
        if len(damaged) and rng.random() < 0.8:
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        else:
            del damaged[rng.integers(len(damaged) + 1) :]
    views = {stream: memoryview(bytes(data)) for stream, data in streams.items()}
    try:
        decoded = coder.decode(views, 6, replace(BLANK, classes=40))
    except CorruptError:
        return
    counts = np.rint(decoded.value * 9)
    assert (counts.sum(axis=1) == 9).all()
    assert ((decoded.index >= 0) & (decoded.index < 40)).all()


def test_tables_that_do_not_do() -> None:
    parts = Sampled(5).fit([Sampled(5).prepare(full())], 40).to_parts()
    for name in parts:
        with pytest.raises(CorruptError, match="lack"):
            Sampled(5).from_parts({k: v for k, v in parts.items() if k != name}, 40)
    with pytest.raises(CorruptError, match="wrong number of contexts"):
        Sampled(5).from_parts({**parts, "gaps": parts["counts"]}, 40)

"""Draws are unbiased, and come back as they were drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels, Sequences, Writer
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.sampled import drawing
from labelcodec.codecs.sampled.arrangement import UNIT, Drawn, from_arrays, to_arrays
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
    st.sampled_from([(1, 0, 1), (1, 0, 9), (7, 0, 7), (20, 0, 40), (40, 0, 40), (64, 0, 5000)])
    | st.sampled_from([(1, 1, 2), (1, 5, 9), (7, 2, 9), (20, 3, 40), (1, 39, 40), (50, 4, 5000)]),
    st.sampled_from([0.1, 2.0, 20.0]),
)
def test_labels_come_back_as_they_were_drawn(seed, rows, sizes, spread) -> None:
    draws, keep, classes = sizes
    codec = Sampled(draws, seed, keep)
    prepared = codec.prepare(full(seed, rows, classes, spread))
    coder = codec.fit([prepared], classes)
    streams = coder.encode(prepared)
    coder = codec.from_parts(coder.to_parts(), classes)
    views = {stream: memoryview(data) for stream, data in streams.items()}
    decoded = coder.decode(views, rows, replace(BLANK, classes=classes))
    assert np.array_equal(decoded.index, prepared.index)
    assert np.array_equal(decoded.value, prepared.value)
    assert (np.sort(decoded.index, axis=1)[:, 1:] != np.sort(decoded.index, axis=1)[:, :-1]).all()
    assert np.allclose(decoded.value.sum(axis=1), 1, atol=1e-6)
    mass = np.rint(decoded.value[:, :keep].astype(float) * UNIT)
    assert np.array_equal(mass / UNIT, decoded.value[:, :keep])
    rest = UNIT - mass.sum(axis=1)
    counts = np.rint(decoded.value[:, keep:] * draws * UNIT / np.maximum(rest, 1)[:, None])
    assert (counts.sum(axis=1) == np.where(rest > 0, draws, 0)).all()
    assert (np.diff(counts, axis=1) <= 0).all() and (np.diff(mass, axis=1) <= 0).all()
    used = coder.usage(prepared, {stream: len(data) for stream, data in streams.items()})
    assert list(used) == ["label values"]
    assert len(used["label values"].tables) == (3 if keep else 1)


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


@pytest.mark.parametrize("tail", [None, "zero", "floor", "uniform"])
def test_kept_classes_have_their_probability_and_the_others_are_unbiased(tail) -> None:
    labels = full(3, rows=4, classes=30)
    labels = labels if tail is None else top(labels, 8, tail)
    expected = probabilities(labels)
    expected /= expected.sum(axis=1, keepdims=True)
    targets = np.array([-1, 29, 11, int(np.argmin(expected[3]))])
    context = BatchContext(np.arange(4), Augmentation(), targets)
    sums = np.zeros_like(expected)
    for seed in range(400):
        drawn = Sampled(10, seed, 3).prepare(labels, context=context)
        share = shares(drawn)
        for own, most, target, row in zip(expected, share, targets, drawn.index, strict=True):
            kept = row[:3].tolist()
            assert np.abs(most[kept] - own[kept]).max() < 2 / UNIT
            if target >= 0 and own[target] > 0:
                assert target in kept
                kept.remove(target)
            assert np.isin(kept, np.argsort(-own, kind="stable")[:3]).all()
        sums += share
    assert np.abs(sums / 400 - expected).max() < 0.02


def test_what_is_kept_of_certain_and_of_impossible_classes() -> None:
    value = np.full((2, 9), -1e4, np.float32)
    value[0, 4], value[1, [2, 5]] = 0, [0, -0.7]
    labels = Labels(9, value, precision="float32")
    context = BatchContext(np.arange(2), Augmentation(), np.array([7, 5]))
    drawn = Sampled(4, keep=2).prepare(labels, context=context)
    assert drawn.index[0, 0] == 4 and drawn.value[0].tolist() == [1, 0, 0, 0, 0, 0]
    assert drawn.index[1, :2].tolist() == [2, 5] and drawn.value[1, 2:].tolist() == [0] * 4
    assert np.allclose(drawn.value[1, :2], [0.668, 0.332], atol=1e-3)
    assert drawn.value[1].sum() == 1
    again = Sampled(4, keep=2).prepare(drawn, context=context)
    assert np.array_equal(again.value, drawn.value)


def test_keeping_ties_goes_by_class() -> None:
    labels = Labels(9, np.zeros((3, 9), np.float16))
    assert (Sampled(2, keep=3).prepare(labels).index[:, :3] == [0, 1, 2]).all()


def test_the_texts_own_token_is_kept(tmp_path) -> None:
    labels = full(8, rows=12, classes=100)
    tokens = np.random.default_rng(8).integers(100, size=12).astype(np.int32)
    length = np.array([7, 5])
    sequences = Sequences(length, np.zeros(2, np.int64), tokens=tokens)
    batch = LabelBatch(0, 0, np.repeat([0, 1], length), Augmentation(), labels, sequences)
    for shift in (0, 1):
        path = tmp_path / f"{shift}.slc"
        with Writer(path, Header(100, kind="tokens", shift=shift), "sampled:n=20,keep=1") as writer:
            writer.add(batch)
        with labelcodec.open(path) as reader:
            own = reader[0].labels
            assert np.array_equal(reader[0].sequences.tokens, tokens)
        targets = tokens if shift == 0 else np.append(tokens[1:], -1)
        is_known = np.ones(12, bool)
        if shift:
            is_known[[6, 11]] = False
        assert (own.index[is_known, 0] == targets[is_known]).all()
        most = labels.value.argmax(axis=1)
        assert (own.index[~is_known, 0] == most[~is_known]).all()
        assert labelcodec.verify(path).sound


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


@given(st.integers(0, 99), st.integers(1, 6), st.integers(1, 9), st.integers(0, 3))
def test_drawn_classes_and_arrays(seed, samples, draws, keep) -> None:
    rng = np.random.default_rng(seed)
    kept = np.array([rng.permutation(20)[:keep] for _ in range(samples)]).reshape(samples, keep)
    mass = rng.integers(1, 20_000, (samples, keep))
    count = np.zeros((samples, 20), np.int64)
    for row, own in zip(count, kept, strict=True):
        others = np.setdiff1d(np.arange(20), own)
        np.add.at(row, rng.choice(others[: rng.integers(1, 9)], draws), 1)
    rows, classes = np.nonzero(count)
    index, value = to_arrays(Drawn(kept, mass, rows, classes, count[rows, classes]), draws)
    again, fits = from_arrays(index, value, draws)
    assert fits.all()
    expected = np.zeros_like(count)
    expected[again.rows, again.classes] = again.counts
    assert np.array_equal(expected, count)
    for i in range(samples):
        own = dict(zip(again.kept[i].tolist(), again.mass[i].tolist(), strict=True))
        assert own == dict(zip(kept[i].tolist(), mass[i].tolist(), strict=True))
        missing = [c for c in range(40) if c not in index[i, value[i] > 0]]
        assert index[i, value[i] == 0].tolist() == missing[: int((value[i] == 0).sum())]


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


@pytest.mark.parametrize(
    "arguments",
    [{"n": 0}, {"n": 4097}, {"seed": -1}, {"seed": 1 << 32}, {"keep": -1}, {"keep": 65}],
)
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
    with pytest.raises(DataError, match="n=38 draws and keep=3 of 40 classes"):
        Sampled(38, keep=3).prepare(labels)
    with pytest.raises(DataError, match="at most 2097152 fit"):
        Sampled(4096).prepare(full(rows=600, classes=5000))
    coder = Sampled(5).fit([Sampled(5).prepare(labels)], 40)
    with pytest.raises(DataError, match="not shares of 5 draws"):
        coder.encode(Sampled(7).prepare(labels))


@settings(deadline=None, max_examples=400)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.sampled_from([0, 1, 3]))
def test_damaged_streams_are_refused_or_consistent(seed, changes, keep) -> None:
    rng = np.random.default_rng(seed)
    codec = Sampled(9, keep=keep)
    prepared = codec.prepare(full(1, rows=6))
    coder = codec.fit([prepared], 40)
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
    assert np.allclose(decoded.value.sum(axis=1), 1, atol=1e-6)
    assert ((decoded.index >= 0) & (decoded.index < 40)).all()
    assert (np.diff(np.sort(decoded.index, axis=1), axis=1) > 0).all()
    assert all(coder.encode(decoded))


def test_tables_that_do_not_do() -> None:
    codec = Sampled(5, keep=2)
    parts = codec.fit([codec.prepare(full())], 40).to_parts()
    for name in parts:
        with pytest.raises(CorruptError, match="lack"):
            codec.from_parts({k: v for k, v in parts.items() if k != name}, 40)
    with pytest.raises(CorruptError, match="wrong number of contexts"):
        codec.from_parts({**parts, "gaps": parts["counts"]}, 40)


@pytest.mark.parametrize("tail", ["zero", "floor", "uniform"])
@pytest.mark.parametrize("has_targets", [True, False])
def test_more_classes_are_kept_than_the_source_has(tail, has_targets) -> None:
    labels = top(full(4, rows=9, classes=30), 4, tail)
    targets = np.array([-1, 29, 3, 0, 7, 11, 2, 30, 5]) if has_targets else None
    context = BatchContext(np.arange(9), Augmentation(), targets)
    expected = probabilities(labels)
    expected /= expected.sum(axis=1, keepdims=True)
    for keep in (3, 4, 5, 12):
        drawn = Sampled(10, 3, keep).prepare(labels, context=context)
        kept = drawn.index[:, :keep]
        assert (np.diff(np.sort(drawn.index, axis=1), axis=1) > 0).all()
        own = np.take_along_axis(expected, kept, axis=1)
        assert np.abs(drawn.value[:, :keep] - own).max() < keep / UNIT
        coder = Sampled(10, 3, keep).fit([drawn], 30)
        streams = {stream: memoryview(data) for stream, data in coder.encode(drawn).items()}
        decoded = coder.decode(streams, 9, replace(BLANK, classes=30))
        assert np.array_equal(decoded.value, drawn.value)


def test_a_class_twice_in_a_label_cannot_be_kept_and_drawn() -> None:
    value, index = np.float16([[3, 2.9, 1]]), np.array([[7, 7, 3]])
    labels = Labels(50, value, index, tail="zero")
    with pytest.raises(DataError, match="sample 0 holds a class twice"):
        Sampled(20, keep=1).prepare(labels)
    assert Sampled(20).prepare(labels).value.sum() == pytest.approx(1)

"""Token ids come back, by rank in the labels where that is shorter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelcodec
from labelcodec import Header, Sequences, Writer
from labelcodec.errors import CorruptError
from labelcodec.sequences.token_ids import RANKED, pack_tokens, unpack_tokens
from tests.sequences import samples


def of_lengths(*lengths: int) -> Sequences:
    length = np.array(lengths)
    return Sequences(length, np.zeros_like(length))


def text(seed: int, sequences: Sequences, shift: int, share: float):
    """Labels of 8 of 500 classes, and tokens of which this share is among them."""
    rng, count = np.random.default_rng(seed), int(sequences.length.sum())
    kept = np.array([rng.permutation(500)[:8] for _ in range(count)])
    predicting = sequences.predicting(shift)
    tokens = rng.integers(0, 500, count)
    is_listed = (predicting >= 0) & (rng.random(count) < share)
    tokens[is_listed] = kept[predicting[is_listed], rng.integers(0, 3, int(is_listed.sum()))]
    return tokens.astype(np.int32), predicting, kept


def test_which_label_is_of_which_token() -> None:
    sequences = replace(of_lengths(3, 1, 2), tokens=np.arange(10, 16, dtype=np.int32))
    assert sequences.predicting(0).tolist() == [0, 1, 2, 3, 4, 5]
    assert sequences.predicting(1).tolist() == [-1, 0, 1, -1, -1, 4]
    assert sequences.targets(0).tolist() == [10, 11, 12, 13, 14, 15]
    assert sequences.targets(1).tolist() == [11, 12, -1, -1, 15, -1]
    assert of_lengths(2).targets(1) is None


@settings(deadline=None)
@given(
    st.integers(0, 99),
    st.lists(st.integers(1, 90), min_size=1, max_size=4),
    st.sampled_from([0, 1]),
    st.sampled_from([0.0, 0.5, 0.95, 1.0]),
)
def test_tokens_come_back(seed, lengths, shift, share) -> None:
    tokens, predicting, kept = text(seed, of_lengths(*lengths), shift, share)
    for labels in (kept, None):
        data = pack_tokens(tokens, predicting, labels)
        again = unpack_tokens(memoryview(data), predicting, labels)
        assert again.dtype == np.int32
        assert np.array_equal(again, tokens)


def test_ranks_are_shorter_where_labels_know_the_text() -> None:
    tokens, predicting, kept = text(1, of_lengths(2000), 1, 0.9)
    ranked, plain = (pack_tokens(tokens, predicting, labels) for labels in (kept, None))
    assert ranked[0] == RANKED and plain[0] != RANKED
    assert len(ranked) < 0.5 * len(plain)
    unknown = pack_tokens(*text(1, of_lengths(2000), 1, 0.0))
    assert unknown[0] != RANKED
    single = pack_tokens(*text(1, of_lengths(*[1] * 50), 1, 1.0))
    assert single[0] != RANKED


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_damaged_ids_are_refused_or_in_range(seed, changes) -> None:
    tokens, predicting, kept = text(2, of_lengths(120, 30), 1, 0.9)
    data = bytearray(pack_tokens(tokens, predicting, kept))
    assert data[0] == RANKED
    rng = np.random.default_rng(seed)
    for _ in range(changes):
        if data and rng.random() < 0.8:
            data[rng.integers(len(data))] = rng.integers(256)
        else:
            del data[rng.integers(len(data) + 1) :]
    try:
        damaged = unpack_tokens(memoryview(bytes(data)), predicting, kept)
    except CorruptError:
        return
    assert damaged.shape == tokens.shape and damaged.min() >= 0


def test_ranks_need_labels_that_have_them() -> None:
    tokens, predicting, kept = text(2, of_lengths(200), 1, 1.0)
    data = memoryview(pack_tokens(tokens, predicting, kept))
    with pytest.raises(CorruptError, match="no ranks"):
        unpack_tokens(data, predicting, None)
    with pytest.raises(CorruptError, match="no ranks"):
        unpack_tokens(data, np.full(200, -1), kept)
    with pytest.raises(CorruptError, match="token rank"):
        unpack_tokens(data, predicting, kept[:, :1])


@pytest.mark.parametrize("codec", ["topk", "topk:k=3", "sampled:n=20", "sampled:n=20,keep=2"])
@pytest.mark.parametrize("shift", [0, 1])
def test_a_file(tmp_path, codec, shift) -> None:
    batch = samples.batch(0, (50, 1, 40))
    known = np.roll(batch.labels.index[:, 0], shift).astype(np.int32)
    batch = replace(batch, sequences=replace(batch.sequences, tokens=known, digest=None))
    header = Header(samples.CLASSES, k=batch.labels.k, tail="zero", kind="tokens", shift=shift)
    with Writer(tmp_path / "a.slc", header, codec) as writer:
        writer.add(batch)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert np.array_equal(reader[0].sequences.tokens, known)
    assert labelcodec.stats(tmp_path / "a.slc").components["token ids"] < 60

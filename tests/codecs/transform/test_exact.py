"""The ranking that peaks refer to is the same whoever adds up the products, and how."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.batch import Labels
from labelcodec.codecs.transform import Transform, compiled, reference
from labelcodec.codecs.transform.basis_tables import EXACT
from labelcodec.codecs.transform.compact import TransformLabels
from labelcodec.codecs.transform.fit.peak_bits import peak_prices
from labelcodec.codecs.transform.format import BLOCK, MAX_ENTRY, MAX_SCORE, MAX_SUM
from labelcodec.codecs.transform.tensors import expand, expand_on
from tests.codecs.transform.labels import batches, logits


@pytest.fixture(scope="module")
def compact() -> TransformLabels:
    coder = Transform(rank=12, step=0.7, peaks=5).fit(batches(300, 60), 60)
    return coder.compact(Labels(60, logits(40, 60, 5)))


def test_scores_are_the_integers_of_the_definition_in_any_order(compact):
    basis = compact.basis
    wide = compact.coefficients.astype(object), basis.entries.astype(object)
    for order in (slice(None), slice(None, None, -1), np.random.default_rng(0).permutation(12)):
        left, right = wide[0][:, order] * basis.scale.astype(object)[order], wide[1][:, order]
        exact = left @ right.T + basis.mean.astype(object) * 256
        np.testing.assert_array_equal(basis.scores(compact.coefficients), exact.astype(np.int64))


def test_large_coefficients_leave_16_bits_in_time(compact):
    basis = compact.basis
    large = np.full_like(compact.coefficients, 32767)
    exact = large.astype(object) * basis.scale.astype(object) @ basis.entries.T.astype(object)
    exact = np.clip((exact + basis.mean.astype(object) * 256).astype(np.int64), -(1 << 29), 1 << 29)
    np.testing.assert_array_equal(basis.scores(large), exact)


def test_a_reordered_basis_gives_the_same_peaks_and_logits(compact):
    order = np.random.default_rng(1).permutation(compact.basis.rank)
    basis = replace(
        compact.basis, entries=compact.basis.entries[:, order], scale=compact.basis.scale[order]
    )
    other = replace(compact, basis=basis, coefficients=compact.coefficients[:, order])
    for mine, theirs in zip(compact.peaks, other.peaks, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(compact.dense(), other.dense())


def test_torch_expands_to_the_same_bits(compact):
    cpu = torch.device("cpu")
    for found in (expand(compact, "cpu"), expand_on(cpu, compact)):
        assert found.dtype == torch.float32
        np.testing.assert_array_equal(found.numpy(), compact.dense())


@given(seed=st.integers(0, 10_000), ties=st.booleans())
@settings(max_examples=40, deadline=None)
def test_twins_agree(seed, ties):
    rng = np.random.default_rng(seed)
    rows, classes = int(rng.integers(1, 6)), int(rng.choice([rng.integers(1, 90), 600]))
    bound = 3 if ties else 1 << 29
    scores = rng.integers(-bound, bound + 1, (rows, classes)).astype(np.int32)
    counts = rng.integers(0, classes + 1, rows)
    places = np.concatenate([np.sort(rng.permutation(classes)[:count]) for count in counts]).astype(
        np.int64
    )
    ranked = [twin.ranked_classes(scores, counts, places) for twin in (reference, compiled)]
    np.testing.assert_array_equal(*ranked)
    gain = np.maximum(rng.standard_normal((rows, classes)), 0).astype(np.float32)
    for price, most in ((0.01, 64), (0.05, 3)):
        prices = peak_prices(classes, price)
        chosen = [twin.choose(scores, gain, prices, most) for twin in (reference, compiled)]
        for one, other in zip(*chosen, strict=True):
            np.testing.assert_array_equal(one, other)
    values = rng.integers(-bound, bound + 1, len(places)).astype(np.int32)
    tail = rng.integers(-50, 50, 48).astype(np.int32)
    full = [
        twin.expand(scores, counts, ranked[0], values, tail, 3) for twin in (reference, compiled)
    ]
    np.testing.assert_array_equal(*full)
    wide = [
        twin.expand_logits(scores, counts, ranked[0], values, tail, 3, 2.0**-9)
        for twin in (reference, compiled)
    ]
    np.testing.assert_array_equal(*wide)
    np.testing.assert_array_equal(wide[0], full[0].astype(np.float32) * np.float32(2.0**-9))
    residuals = rng.integers(-(1 << 24), (1 << 24) + 1, len(places)) >> int(rng.choice([0, 20]))
    done = [
        twin.finished(scores.copy(), counts, places, residuals, 1 << 9, tail, 3, 2.0**-9)
        for twin in (reference, compiled)
    ]
    np.testing.assert_array_equal(*done)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_scores_are_clipped_alike(seed):
    rng = np.random.default_rng(seed)
    sums = rng.integers(-EXACT + 1, EXACT, (3, 7)).astype(np.float64)
    sums[0, 0], sums[0, 1] = EXACT - 1, 1 - EXACT
    mean = rng.integers(-MAX_SCORE, MAX_SCORE + 1, 7).astype(np.int32)
    clipped = [twin.clipped(sums, mean) for twin in (reference, compiled)]
    np.testing.assert_array_equal(*clipped)
    assert clipped[0].dtype == clipped[1].dtype == np.int32


def paired(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (r, C) as `scored` takes them, and their largest magnitudes."""
    rank, classes = vectors.shape
    padded = np.zeros((rank + rank % 2, classes + -classes % BLOCK), np.int16)
    padded[:rank, :classes] = vectors
    pairs = padded.reshape(-1, 2, padded.shape[1]).transpose(0, 2, 1)
    return np.ascontiguousarray(pairs), np.abs(vectors).max(axis=1).astype(np.int32)


@given(
    seed=st.integers(0, 10_000), rows=st.integers(1, 9), classes=st.integers(1, 40),
    rank=st.integers(1, 70), large=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_scores_in_integers_are_exact_in_both_twins(seed, rows, classes, rank, large):
    """Up to the largest entries, coefficients, means and sums; above them both say so."""
    rng = np.random.default_rng(seed)
    most = MAX_ENTRY if large else int(rng.integers(1, 300))
    vectors = rng.integers(-most, most + 1, (rank, classes))
    bound = MAX_ENTRY if rng.random() < 0.3 else max((MAX_SUM // most) // rank, 1)
    coefficients = rng.integers(-bound, bound + 1, (rows, rank)).clip(-(1 << 15), 1 << 15)
    mean = rng.choice([-MAX_SCORE, 0, MAX_SCORE], classes).astype(np.int32)
    arguments = coefficients.astype(np.int32), *paired(vectors), mean
    (scores, status), (other, same_status) = (
        twin.scored(*arguments) for twin in (reference, compiled)
    )
    assert status == same_status
    if not status:
        exact = np.clip(coefficients @ vectors + mean, -MAX_SCORE, MAX_SCORE)
        np.testing.assert_array_equal(scores, exact)
        np.testing.assert_array_equal(other, exact)


def test_sums_that_would_not_fit_are_told():
    pairs, reach = paired(np.array([[MAX_ENTRY], [1]]))
    mean = np.zeros(1, np.int32)
    for row, status in (
        ([MAX_ENTRY, MAX_ENTRY * 2], 1),
        ([MAX_ENTRY, 1 << 15], 1),
        ([-(1 << 31), 0], 1),
        ([-MAX_ENTRY, MAX_ENTRY], 0),
    ):
        for twin in (reference, compiled):
            assert twin.scored(np.array([row], np.int32), pairs, reach, mean)[1] == status


def test_integers_and_floats_give_the_same_scores(compact):
    """Single precision up to its bound, and double; whoever adds up, in any order."""
    basis = compact.basis
    reach = np.abs(basis.vectors).max(axis=1)
    largest = int(((1 << 24) - 1) / reach.sum())
    assert largest > 1
    rng = np.random.default_rng(3)
    coefficients = rng.choice([-largest, largest], (64, basis.rank)).astype(np.int32)
    scores = basis.scores(coefficients)
    means = basis.mean << 8
    order = rng.permutation(basis.rank)
    for kind in (np.float32, np.float64):
        one = coefficients[:, order].astype(kind), basis.vectors[order].astype(kind)
        added = np.zeros(scores.shape, kind)
        for column, vector in zip(one[0].T, one[1], strict=True):
            added += column[:, None] * vector
        halves = one[0][:, :5] @ one[1][:5] + one[0][:, 5:] @ one[1][5:]
        torched = torch.from_numpy(one[0]) @ torch.from_numpy(one[1])
        for sums in (added, halves, torched.numpy()):
            np.testing.assert_array_equal(np.clip(sums + means, -(1 << 29), 1 << 29), scores)

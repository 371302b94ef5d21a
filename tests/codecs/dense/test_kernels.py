"""The dense codec's inner loops: compiled against the NumPy reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.codecs.dense.format import UNKNOWN
from labelcodec.entropy import reference, tables
from tests.kernels import LANES, agree, agree_or_fail, damaged, few, random_table, seeds


@few
@given(seeds, st.integers(1, 9), st.integers(1, 40), st.sampled_from(LANES))
def test_dense(seed, rows, classes, lanes):
    rng = np.random.default_rng(seed)
    high_bits = int(rng.choice([9, 12]))
    known = np.sort(rng.permutation(1 << high_bits)[: rng.integers(0, 200)])
    places = rng.integers(-(1 << rng.integers(2, 25)), 1 << rng.integers(2, 25), len(known))
    place_of = np.full(1 << high_bits, UNKNOWN)
    place_of[known] = places
    symbol_of = np.full(1 << high_bits, len(known), np.uint8)
    symbol_of[known] = np.arange(len(known))
    mean = rng.integers(-(1 << 25), 1 << 25, classes) >> int(rng.choice([0, 18]))
    base = int(rng.integers(-3000, 3000))
    table = random_table(rng, int(rng.integers(1, 128)), len(known))
    high = rng.integers(0, 1 << high_bits, (rows, classes)).astype(np.uint16)
    if len(known):
        high = np.where(rng.random(high.shape) < 0.9, rng.choice(known, high.shape), high)
    high = high.astype(np.uint16)
    contexts = agree("dense_contexts", high, place_of, mean, base, len(table.freqs) - 1)
    assert contexts.max() < len(table.freqs)
    starts, freqs, escaped = agree(
        "dense_intervals", high, place_of, mean, base, symbol_of, table.starts, table.freqs
    )
    states, words = reference.rans_encode(starts, freqs, lanes)
    escapes = high.T.ravel()[escaped].astype(np.int64)
    rest = (known, place_of, mean, base, table.lookup, table.escape)
    found, status = agree_or_fail("dense_decode", states, words, rows, escapes, *rest)
    assert status == 0 and (found == high).all()
    states, words, escapes = damaged(rng, states, words, escapes)
    agree_or_fail("dense_decode", states, words, rows, escapes, *rest)


def test_dense_escapes_left_over():
    table = tables.fit(np.ones((1, 1), np.int64))
    states, words = reference.rans_encode(table.starts[:, 0], table.freqs[:, 0], 1)
    place_of, one = np.zeros(512, np.int64), np.array([1])
    for escapes, status in ((np.zeros(0, np.int64), 0), (one, 1)):
        found = agree_or_fail(
            "dense_decode", states, words, 1, escapes, one, place_of, one, 0, table.lookup, 1
        )
        assert found[1] == status

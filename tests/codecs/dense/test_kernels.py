"""The dense codec's inner loops: compiled against the NumPy reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.codecs.dense.format import UNKNOWN
from labelcodec.entropy import reference, tables
from tests.kernels import LANES, agree, agree_or_fail, damaged, few, random_table, seeds


@few
@given(
    seeds,
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(LANES),
    st.sampled_from([np.uint16, np.uint32]),
)
def test_dense(seed, rows, classes, lanes, dtype):
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
    shift = {9: 7, 12: 4}[high_bits] if dtype == np.uint16 else 32 - high_bits
    drop = int(rng.integers(0, shift + 1))
    low = rng.integers(0, 1 << (shift - drop), high.shape) << drop
    bits = (high.astype(dtype) << shift | low.astype(dtype)).astype(dtype)
    order = rng.permutation(classes)
    states, words, escapes, lowest = agree(
        "dense_encode", bits[:, np.argsort(order)], order, shift, drop,
        np.stack([place_of, symbol_of], axis=1).astype(np.int32), mean, base, table.packed, lanes,
    )  # fmt: skip
    patterns = np.append(known, 0)
    named = np.stack([place_of[patterns], patterns], axis=1).astype(np.int32)
    rest = (rows, order, shift, drop, named, place_of, mean, base, table.lookup, dtype)
    found, status = agree_or_fail("dense_decode", states, words, escapes, lowest, *rest)
    assert status == 0 and (found[:, order] == bits).all()
    states, words, escapes = damaged(rng, states, words, escapes)
    agree_or_fail("dense_decode", states, words, escapes, lowest, *rest)


def test_dense_escapes_left_over():
    table = tables.fit(np.ones((1, 1), np.int64))
    states, words = reference.rans_encode(table.packed[:, 0], 1)
    low, order = np.zeros(1, np.uint8), np.zeros(1, np.int64)
    place_of, one = np.zeros(512, np.int64), np.array([1])
    named = np.array([[0, 1], [0, 0]], np.int32)
    for escapes, status in ((np.zeros(0, np.int64), 0), (one, 1)):
        found = agree_or_fail(
            "dense_decode", states, words, escapes, low, 1, order, 7, 0, named, place_of, one, 0,
            table.lookup, np.uint16,
        )  # fmt: skip
        assert found[1] == status

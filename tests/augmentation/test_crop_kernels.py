"""Decoding of crop boxes: compiled against the NumPy reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.entropy import compiled, reference
from tests.kernels import LANES, agree_or_fail, damaged, few, random_table, seeds


@few
@given(seeds, st.integers(1, 9), st.sampled_from(LANES))
def test_boxes(seed, rows, lanes):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 600, (rows, 2)).astype(np.int32)
    sides = rng.integers(1, size + 1)
    places = rng.integers(0, size - sides + 1)
    height, width = random_table(rng, 1), random_table(rng, 124)
    symbols = [compiled.split_tokens(column) for column in sides.T]
    parts = [
        compiled.table_intervals(contexts, *coded, table.starts, table.freqs)
        for contexts, coded, table in zip(
            (np.zeros(rows, np.int64), symbols[0][0]), symbols, (height, width), strict=True
        )
    ]
    starts, freqs, extra, widths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    states, words = reference.rans_encode(starts, freqs, lanes)
    digits = compiled.group_digits(places.ravel(), (size - sides + 1).ravel())
    bits = compiled.pack_bits(
        np.concatenate([extra, digits[0]]), np.concatenate([widths, digits[1]])
    )
    rest = (size, height.lookup, width.lookup, height.escape, width.escape)
    found, status = agree_or_fail("box_decode", states, words, bits, *rest)
    assert status == 0 and (found == np.hstack([places, sides])).all()
    states, words, bits = damaged(rng, states, words, bits)
    found, status = agree_or_fail("box_decode", states, words, bits, *rest)
    assert status or (found[:, :2] + found[:, 2:] <= size).all()

"""The coders of class sets, boxes, arrangements and dense labels against their compiled twins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.entropy import kernels, plain, tables
from tests.entropy.twins import LANES, agree, agree_or_fail, damaged, few, random_table, seeds


@few
@given(seeds, st.integers(1, 9), st.integers(1, 6), st.sampled_from(LANES))
def test_sets(seed, rows, k, lanes):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(k, 60))
    rise = np.sort(np.array([rng.permutation(classes)[:k] for _ in range(rows)]), axis=1)
    gaps = (np.diff(rise, axis=1, prepend=-1) - 1).T
    contexts = np.full((k, rows), 16)
    for i in range(1, k):
        contexts[i] = plain.gap_contexts(gaps[i - 1], gaps[max(i - 2, 0)])
    table = random_table(rng, 17)
    token, width, extra = agree("split_tokens", gaps.ravel())
    starts, freqs, named, widths = agree(
        "table_intervals", contexts.ravel(), token, width, extra, table.starts, table.freqs
    )
    states, words = plain.rans_encode(starts, freqs, lanes)
    bits = agree("pack_bits", named, widths)
    found = agree_or_fail(
        "set_decode", states, words, bits, rows, k, classes, table.lookup, table.escape
    )
    assert found[1] == 0 and (found[0] == rise).all()
    states, words, bits = damaged(rng, states, words, bits)
    positions, bad = agree_or_fail(
        "set_decode", states, words, bits, rows, k, classes, table.lookup, table.escape
    )
    assert bad or ((positions >= 0) & (positions < classes)).all()


def test_sets_of_the_last_class():
    """A gap that leads to class C is refused, the one to class C - 1 is not."""
    table = tables.fit(np.tile(np.arange(124) == 4, (17, 1)).astype(np.int64))
    states, words = plain.rans_encode(table.starts[:1, 4], table.freqs[:1, 4], 1)
    nothing = np.zeros(0, np.uint8)
    for classes, status in ((5, 0), (4, 1)):
        found = agree_or_fail(
            "set_decode", states, words, nothing, 1, 1, classes, table.lookup, table.escape
        )
        assert found[1] == status


@few
@given(seeds, st.integers(1, 9), st.sampled_from(LANES))
def test_boxes(seed, rows, lanes):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 600, (rows, 2)).astype(np.int32)
    sides = rng.integers(1, size + 1)
    places = rng.integers(0, size - sides + 1)
    height, width = random_table(rng, 1), random_table(rng, 124)
    symbols = [kernels.split_tokens(column) for column in sides.T]
    parts = [
        kernels.table_intervals(contexts, *coded, table.starts, table.freqs)
        for contexts, coded, table in zip(
            (np.zeros(rows, np.int64), symbols[0][0]), symbols, (height, width), strict=True
        )
    ]
    starts, freqs, extra, widths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    states, words = plain.rans_encode(starts, freqs, lanes)
    digits = kernels.group_digits(places.ravel(), (size - sides + 1).ravel())
    bits = kernels.pack_bits(
        np.concatenate([extra, digits[0]]), np.concatenate([widths, digits[1]])
    )
    rest = (size, height.lookup, width.lookup, height.escape, width.escape)
    found, status = agree_or_fail("box_decode", states, words, bits, *rest)
    assert status == 0 and (found == np.hstack([places, sides])).all()
    states, words, bits = damaged(rng, states, words, bits)
    found, status = agree_or_fail("box_decode", states, words, bits, *rest)
    assert status or (found[:, :2] + found[:, 2:] <= size).all()


def falling(rng: np.random.Generator, rows: int, k: int) -> np.ndarray:
    """Levels with anything from no tie to nothing but ties."""
    steps = rng.integers(0, rng.choice([1, 2, 5, 1 << 30]), (rows, k))
    return -np.cumsum(steps, axis=1)


@few
@given(seeds, st.integers(1, 9), st.integers(1, 40), st.sampled_from(LANES))
def test_arrangements(seed, rows, k, lanes):
    rng = np.random.default_rng(seed)
    levels = falling(rng, rows, k)
    members = np.sort(np.array([rng.permutation(90)[:k] for _ in range(rows)]), axis=1)
    ranks = np.array([rng.permutation(k) for _ in range(rows)])
    starts, freqs = agree("order_intervals", ranks, levels)
    assert (freqs > 0).all()
    states, words = plain.rans_encode(starts, freqs, lanes)
    found, status = agree_or_fail("order_decode", states, words, levels, members)
    assert status == 0
    by_rank = np.zeros_like(members)
    np.put_along_axis(by_rank, ranks, members, axis=1)
    within = np.lexsort((by_rank, -levels), axis=1)  # equal levels come in order of class
    assert (found == np.take_along_axis(by_rank, within, axis=1)).all()
    states, words, _ = damaged(rng, states, words, words)
    found, bad = agree_or_fail("order_decode", states, words, levels, members)
    assert bad or (np.sort(found, axis=1) == members).all()


COUNTING = """
import numpy as np
from labelcodec.entropy import kernels, plain

class Counted(np.ndarray):
    reads = 0

    def __getitem__(self, at):
        Counted.reads += 1
        return super().__getitem__(at)

levels = np.zeros((1, 1024), np.int64)
members = np.arange(1024)[None, ::-1].copy()
with np.errstate(over="ignore"):
    starts, freqs = kernels.order_intervals(members, levels)
    states, words = plain.rans_encode(starts, freqs, 2)
    found, status = kernels.order_decode(states, words, levels.view(Counted), members)
assert status == 0 and (found[0] == np.arange(1024)).all()
print(Counted.reads)
"""


def test_work_of_a_long_tie():
    """Not quadratic: hostile labels that are all equal, classes falling, are no dead end."""
    reads = subprocess.run(
        [sys.executable, "-c", COUNTING],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(reads.stdout) < 1024 * 64


@pytest.mark.parametrize("k", [4095, 4096])
def test_the_longest_arrangement(k):
    """At k = 4096 each interval is one slot of the 4096."""
    rng = np.random.default_rng(k)
    ranks, members = rng.permutation(k)[None], np.arange(k)[None]
    levels = -np.arange(k)[None]
    starts, freqs = agree("order_intervals", ranks, levels)
    states, words = kernels.rans_encode(starts, freqs, 2)
    found, status = agree_or_fail("order_decode", states, words, levels, members)
    assert status == 0 and (found[0, ranks[0]] == np.arange(k)).all()


@few
@given(seeds, st.integers(1, 9), st.integers(1, 40), st.sampled_from(LANES))
def test_dense(seed, rows, classes, lanes):
    rng = np.random.default_rng(seed)
    high_bits = int(rng.choice([9, 12]))
    known = np.sort(rng.permutation(1 << high_bits)[: rng.integers(0, 200)])
    places = rng.integers(-(1 << rng.integers(2, 25)), 1 << rng.integers(2, 25), len(known))
    place_of = np.full(1 << high_bits, plain.UNKNOWN)
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
    states, words = plain.rans_encode(starts, freqs, lanes)
    escapes = high.T.ravel()[escaped].astype(np.int64)
    rest = (known, place_of, mean, base, table.lookup, table.escape)
    found, status = agree_or_fail("dense_decode", states, words, rows, escapes, *rest)
    assert status == 0 and (found == high).all()
    states, words, escapes = damaged(rng, states, words, escapes)
    agree_or_fail("dense_decode", states, words, rows, escapes, *rest)


def test_dense_escapes_left_over():
    table = tables.fit(np.ones((1, 1), np.int64))
    states, words = plain.rans_encode(table.starts[:, 0], table.freqs[:, 0], 1)
    place_of, one = np.zeros(512, np.int64), np.array([1])
    for escapes, status in ((np.zeros(0, np.int64), 0), (one, 1)):
        found = agree_or_fail(
            "dense_decode", states, words, 1, escapes, one, place_of, one, 0, table.lookup, 1
        )
        assert found[1] == status


@few
@given(seeds, st.sampled_from([(16, 16), (32, 20)]))
def test_ranking_keys(seed, widths):
    rng = np.random.default_rng(seed)
    width, shift = widths
    bits = rng.integers(0, 1 << width, (3, 7)).astype(f"uint{width}")
    bits[rng.random(bits.shape) < 0.3] &= 1 << (width - 1)  # zeros of both signs
    found = []
    for module in (plain, kernels):
        keys = np.empty(bits.shape, "uint32" if width == 16 else "uint64")
        module.ranking_keys(bits, width, shift, keys)
        found.append(keys)
    assert (found[0] == found[1]).all()

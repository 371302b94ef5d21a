"""The topk codec's inner loops: compiled against the NumPy reference."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.codecs.topk.contexts import gap_contexts
from labelcodec.entropy import compiled, reference, tables
from tests.kernels import (
    LANES,
    agree,
    agree_or_fail,
    damaged,
    few,
    implementations,
    random_table,
    seeds,
)


@few
@given(seeds, st.integers(1, 9), st.integers(1, 6), st.sampled_from(LANES))
def test_sets(seed, rows, k, lanes):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(k, 60))
    rise = np.sort(np.array([rng.permutation(classes)[:k] for _ in range(rows)]), axis=1)
    gaps = (np.diff(rise, axis=1, prepend=-1) - 1).T
    contexts = np.full((k, rows), 16)
    for i in range(1, k):
        contexts[i] = gap_contexts(gaps[i - 1], gaps[max(i - 2, 0)])
    table = random_table(rng, 17)
    token, width, extra = agree("split_tokens", gaps.ravel())
    starts, freqs, named, widths = agree(
        "table_intervals", contexts.ravel(), token, width, extra, table.starts, table.freqs
    )
    states, words = reference.rans_encode(starts, freqs, lanes)
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
    states, words = reference.rans_encode(table.starts[:1, 4], table.freqs[:1, 4], 1)
    nothing = np.zeros(0, np.uint8)
    for classes, status in ((5, 0), (4, 1)):
        found = agree_or_fail(
            "set_decode", states, words, nothing, 1, 1, classes, table.lookup, table.escape
        )
        assert found[1] == status


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
    states, words = reference.rans_encode(starts, freqs, lanes)
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
from labelcodec.codecs.topk import compiled
from labelcodec.entropy import reference

class Counted(np.ndarray):
    reads = 0

    def __getitem__(self, at):
        Counted.reads += 1
        return super().__getitem__(at)

levels = np.zeros((1, 1024), np.int64)
members = np.arange(1024)[None, ::-1].copy()
with np.errstate(over="ignore"):
    starts, freqs = compiled.order_intervals(members, levels)
    states, words = reference.rans_encode(starts, freqs, 2)
    found, status = compiled.order_decode(states, words, levels.view(Counted), members)
assert status == 0 and (found[0] == np.arange(1024)).all()
print(Counted.reads)
"""


def test_work_of_a_long_tie():
    """Not quadratic: hostile labels that are all equal, classes falling, are no dead end."""
    reads = subprocess.run(
        [sys.executable, "-c", COUNTING],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        cwd=Path(__file__).parents[3],
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
    states, words = compiled.rans_encode(starts, freqs, 2)
    found, status = agree_or_fail("order_decode", states, words, levels, members)
    assert status == 0 and (found[0, ranks[0]] == np.arange(k)).all()


@few
@given(seeds, st.sampled_from([(16, 16), (32, 20)]))
def test_ranking_keys(seed, widths):
    rng = np.random.default_rng(seed)
    width, shift = widths
    bits = rng.integers(0, 1 << width, (3, 7)).astype(f"uint{width}")
    bits[rng.random(bits.shape) < 0.3] &= 1 << (width - 1)  # zeros of both signs
    found = []
    for ranking_keys in implementations("ranking_keys"):
        keys = np.empty(bits.shape, "uint32" if width == 16 else "uint64")
        ranking_keys(bits, width, shift, keys)
        found.append(keys)
    assert (found[0] == found[1]).all()

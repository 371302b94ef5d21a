"""Compiled kernels: permutations of class sets; documented in `reference`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from labelcodec.entropy.compiled.bitio import LOW, MASK, U, closed


@njit(cache=True, nogil=True)
def _reciprocals(k: int) -> Any:
    """Reciprocals for exact division: n // d is n * reciprocals[d] >> 38, n < 2^24, d <= 4096."""
    reciprocals = np.zeros(k + 1, np.uint64)
    for d in range(1, k + 1):
        reciprocals[d] = (U(1) << U(38)) // np.uint64(d) + U(1)
    return reciprocals


@njit(inline="always")
def _bound(entry: Any, reciprocal: Any) -> Any:
    """floor(4096 * entry / left): where the interval of a remaining entry begins."""
    return ((np.uint64(entry) << U(12)) * reciprocal) >> U(38)


@njit(cache=True, nogil=True)
def _has_ties(levels: Any, row: int) -> bool:
    """Whether a row has equal neighbouring levels."""
    tied = False
    for i in range(1, levels.shape[1]):
        tied |= levels[row, i] == levels[row, i - 1]
    return tied


@njit(cache=True, nogil=True)
def _find_runs(levels: Any, row: int, head: Any, size: Any, tree: Any) -> Any:
    """Find the runs of equal levels in a row.

    Fills `head` and `size` with each run's first rank and length, and `tree` with the Fenwick tree
    of the lengths: tree[i] is the sum of those of runs i - (i & -i) to i - 1.

    Returns:
        The number of runs, and the highest power of two in it.
    """
    runs = 0
    for i in range(levels.shape[1]):
        if i == 0 or levels[row, i] != levels[row, i - 1]:
            head[runs], size[runs], tree[runs + 1] = i, 0, 0
            runs += 1
        size[runs - 1] += 1
    for i in range(1, runs + 1):
        tree[i] += size[i - 1]
        if i + (i & -i) <= runs:
            tree[i + (i & -i)] += tree[i]
    top = 1
    while 2 * top <= runs:
        top *= 2
    return runs, top


@njit(inline="always")
def _leave(tree: Any, runs: int, top: int, run: Any, entry: Any) -> Any:
    """Remove one rank from the tree: from `run`, or if that is -1, from the run that holds `entry`.

    `top` is the highest power of two in `runs`.

    Returns:
        The run, and the number of remaining ranks before it.
    """
    at, before, step = 0, 0, top
    while step > 0:
        following = at + step
        if following <= runs:
            if following <= run or (run < 0 and before + tree[following] <= entry):
                at = following
                before += tree[following]
            else:
                tree[following] -= 1
        step >>= 1
    return at, before


@njit(cache=True, nogil=True)
def order_intervals(ranks: Any, levels: Any) -> Any:
    """As `reference.order_intervals`."""
    rows, k = ranks.shape
    starts, freqs = np.zeros((rows, k), np.uint16), np.zeros((rows, k), np.uint16)
    reciprocals = _reciprocals(k)
    # without ties, the position of a rank among the remaining ones is the rank less the number of
    # smaller ranks removed; rows are the inner loop, so that the compiler vectorises it
    rank = np.ascontiguousarray(ranks.T.astype(np.int16))
    entries = rank.copy()
    for i in range(k):
        for j in range(i):
            for row in range(rows):
                entries[i, row] -= np.int16(rank[j, row] < rank[i, row])
    head, size, run_of = np.zeros(k, np.int64), np.zeros(k, np.int64), np.zeros(k, np.int64)
    tree = np.zeros(k + 1, np.int64)
    for row in range(rows):
        tied, runs, top = _has_ties(levels, row), 0, 0
        if tied:
            runs, top = _find_runs(levels, row, head, size, tree)
            for run in range(runs):
                run_of[head[run] : head[run] + size[run]] = run
        for i in range(k):
            low, count = np.int64(entries[i, row]), np.int64(1)
            if tied:
                run = run_of[ranks[row, i]]
                _, low = _leave(tree, runs, top, run, 0)
                count = size[run]
                size[run] -= 1
            start = _bound(low, reciprocals[k - i])
            starts[row, i] = start
            freqs[row, i] = _bound(low + count, reciprocals[k - i]) - start
    return starts.ravel(), freqs.ravel()


@njit(cache=True, nogil=True)
def order_decode(states: Any, words: Any, levels: Any, members: Any) -> Any:
    """As `reference.order_decode`."""
    rows, k = levels.shape
    index = np.zeros((rows, k), np.int64)
    states = states.astype(np.uint64)
    reciprocals = _reciprocals(k)
    head, size, tree = np.zeros(k, np.int64), np.zeros(k, np.int64), np.zeros(k + 1, np.int64)
    entries = np.zeros((k, rows), np.int16)
    read, lane, lanes = 0, 0, len(states)
    for row in range(rows):
        tied, runs, top = _has_ties(levels, row), 0, 0
        if tied:
            runs, top = _find_runs(levels, row, head, size, tree)
        for i in range(k):
            left = k - i
            state = states[lane]
            slot = state & MASK
            low = np.int64(((slot + U(1)) * np.uint64(left) - U(1)) >> U(12))
            count = np.int64(1)
            if tied:
                run, low = _leave(tree, runs, top, -1, low)
                count = size[run]
                size[run] -= 1
                index[row, head[run]] = members[row, i]
                head[run] += 1
            else:
                entries[i, row] = low
            start = _bound(low, reciprocals[left])
            freq = _bound(low + count, reciprocals[left]) - start
            state = freq * (state >> U(12)) + slot - start
            if state < LOW:
                if read == len(words):
                    return index, 1
                state = (state << U(16)) | np.uint64(words[read])
                read += 1
            states[lane] = state
            lane += 1
            if lane == lanes:
                lane = 0
    for i in range(k - 1, -1, -1):  # from positions back to ranks, rows innermost
        for j in range(i + 1, k):
            for row in range(rows):
                entries[j, row] += np.int16(entries[j, row] >= entries[i, row])
    for row in range(rows):
        if _has_ties(levels, row):
            _sort_ties(index, levels, row)
        else:
            for i in range(k):
                index[row, entries[i, row]] = members[row, i]
    return index, 0 if closed(states, words, read) else 1


@njit(cache=True, nogil=True)
def _sort_ties(index: Any, levels: Any, row: int) -> None:
    """Sort classes of equal level in ascending order; Shell's sort copes with long runs."""
    k, length, gap = levels.shape[1], 1, 1
    for i in range(1, k):
        length = length + 1 if levels[row, i] == levels[row, i - 1] else 1
        if length > 9 * gap:
            gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, k):
            j = i
            while (
                j >= gap
                and levels[row, j - gap] == levels[row, j]
                and index[row, j - gap] > index[row, j]
            ):
                index[row, j - gap], index[row, j] = index[row, j], index[row, j - gap]
                j -= gap
        gap //= 3

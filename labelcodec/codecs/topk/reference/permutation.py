"""Reference kernels: permutations of class sets (SPEC, section 8.3)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from labelcodec.entropy.reference.lanes import Array, Exhausted, Lanes


def _run(fallen: list[int], remaining: list[int], level: int) -> tuple[int, int]:
    """Bounds low, high of the entries of `remaining` whose ranks have this level.

    `fallen` holds negated levels: they ascend, so that bisection finds both bounds.
    """
    low = bisect_left(remaining, level, key=fallen.__getitem__)
    return low, bisect_right(remaining, level, low, key=fallen.__getitem__)


def order_intervals(ranks: Array, levels: Array) -> Array:
    """Intervals that code the level of each set member among the remaining ones.

    Args:
        ranks: (B, k) rank of each set member, members in order of position.
        levels: (B, k) level of each rank, descending; equal levels are not distinguished.

    Returns:
        (B * k,) uint32 start << 16 | frequency, row by row.
    """
    intervals = []
    for row, level in zip(ranks.tolist(), (-levels).tolist(), strict=True):
        remaining = list(range(len(row)))
        for rank in row:
            left = len(remaining)
            low, high = _run(level, remaining, level[rank])
            start = low * 4096 // left
            intervals.append(start << 16 | (high * 4096 // left - start))
            del remaining[low]
    return np.array(intervals, np.uint32)


def order_decode(states: Array, words: Array, levels: Array, members: Array) -> tuple[Array, int]:
    """Decode classes by rank: the inverse of `order_intervals`.

    Args:
        states: initial states of the rANS lanes.
        words: the rANS words.
        levels: (B, k) level of each rank, descending.
        members: (B, k) classes of the set, in order of position.

    Returns:
        (B, k) int64 classes, ascending among equal levels, and a status: 1 if the stream is
        malformed.
    """
    index = np.zeros(levels.shape, np.int64)
    try:
        lanes = Lanes(states, words)
        for row, level in enumerate((-levels).tolist()):
            remaining = list(range(len(level)))
            for member in members[row]:
                left = len(remaining)
                at = ((int(lanes.slots(1)[0]) + 1) * left - 1) >> 12
                low, high = _run(level, remaining, level[remaining[at]])
                start = low * 4096 // left
                lanes.advance(np.array([start]), np.array([high * 4096 // left - start]))
                index[row, remaining.pop(low)] = member
        lanes.close()
    except Exhausted:
        return index, 1
    by_class = np.lexsort((index, -levels), axis=1)
    return np.take_along_axis(index, by_class, axis=1), 0

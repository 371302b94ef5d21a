"""Top-k labels: which member of a set has which rank (SPEC, section 8.3)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from labelcodec.entropy.plain.lanes import Array, Exhausted, Lanes


def _run(fallen: list[int], remaining: list[int], level: int) -> tuple[int, int]:
    """First and last + 1 place in `remaining` of the ranks of a level.

    `fallen` are the levels with their sign turned: they rise, so that bisection finds both ends.
    """
    low = bisect_left(remaining, level, key=fallen.__getitem__)
    return low, bisect_right(remaining, level, low, key=fallen.__getitem__)


def order_intervals(ranks: Array, levels: Array) -> tuple[Array, Array]:
    """Intervals that tell which level each set member has, given how many are left of each.

    Args:
        ranks: (B, k) rank of each set member, members in order of position.
        levels: (B, k) level of each rank; equal levels are not told apart.

    Returns:
        starts and freqs, uint16, (B * k,), row by row.
    """
    starts, freqs = [], []
    for row, level in zip(ranks.tolist(), (-levels).tolist(), strict=True):
        remaining = list(range(len(row)))
        for rank in row:
            left = len(remaining)
            low, high = _run(level, remaining, level[rank])
            starts.append(low * 4096 // left)
            freqs.append(high * 4096 // left - starts[-1])
            del remaining[low]
    return np.array(starts, np.uint16), np.array(freqs, np.uint16)


def order_decode(states: Array, words: Array, levels: Array, members: Array) -> tuple[Array, int]:
    """Classes (B, k) by rank, the inverse of `order_intervals`.

    Args:
        states: of the rANS part.
        words: of the rANS part.
        levels: (B, k) level of each rank.
        members: (B, k) classes of the set, in order of position.

    Returns:
        int64 classes, those of equal level in rising order, and a status (0 is good).
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

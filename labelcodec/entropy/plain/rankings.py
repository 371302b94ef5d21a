"""Top-k labels: sets, their arrangement and ranking keys."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from labelcodec.entropy.plain.lanes import Array, Bits, Exhausted, Lanes
from labelcodec.entropy.tables import Lookup


def set_decode(
    states: Array,
    words: Array,
    extra: Array,
    rows: int,
    k: int,
    classes: int,
    lookup: Lookup,
    escape: int,
) -> tuple[Array, int]:
    """Increasing positions (rows, k) in [0, classes) from gaps (SPEC, section 8.2)."""
    positions = np.zeros((rows, k), np.int64)
    last = np.full(rows, -1, np.int64)
    gaps = np.zeros((2, rows), np.int64)
    try:
        lanes, bits = Lanes(states, words), Bits(extra)
        for i in range(k):
            contexts = gap_contexts(gaps[0], gaps[min(i - 1, 1)]) if i else np.full(rows, 16)
            taken = lanes.take(lookup, contexts).tolist()
            gap = np.array([bits.value(token, escape) for token in taken], np.int64)
            last = last + gap + 1
            if (last >= classes).any():
                raise Exhausted
            positions[:, i] = last
            gaps = np.stack([gap, gaps[0]])
        lanes.close()
    except Exhausted:
        return positions, 1
    return positions, 0 if (bits.position + 7) // 8 == len(extra) else 1


def gap_contexts(previous: Array, before: Array) -> Array:
    """Context 0..15 of a gap from the two gaps before it: half-octaves of their sum."""
    total = previous + before + 1
    high = np.frexp(total)[1].astype(np.int64) - 1
    half = np.where(high > 0, (total >> np.maximum(high - 1, 0)) & 1, 0)
    contexts: Array = np.minimum(2 * high + half, 15)
    return contexts


def _run(levels: Array, remaining: list[int], at: int) -> tuple[int, int]:
    """First and last + 1 place in `remaining` of the ranks whose level equals that at `at`."""

    def fallen(rank: int) -> int:
        return -int(levels[rank])

    level = fallen(remaining[at])  # levels fall, so that bisection finds both ends
    low = bisect_left(remaining, level, 0, at, key=fallen)
    return low, bisect_right(remaining, level, at, key=fallen)


def order_intervals(ranks: Array, levels: Array) -> tuple[Array, Array]:
    """Intervals that tell which level each set member has, given how many are left of each.

    Args:
        ranks: (B, k) rank of each set member, members in order of position.
        levels: (B, k) level of each rank; equal levels are not told apart.

    Returns:
        starts and freqs, uint16, (B * k,), row by row.
    """
    starts, freqs = [], []
    for row, level in zip(ranks.tolist(), levels, strict=True):
        remaining = list(range(len(row)))
        for rank in row:
            left = len(remaining)
            at = next(i for i in range(left) if level[remaining[i]] == level[rank])
            low, high = _run(level, remaining, at)
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
        for row, level in enumerate(levels):
            remaining = list(range(len(level)))
            for member in members[row]:
                left = len(remaining)
                at = ((int(lanes.slots(1)[0]) + 1) * left - 1) >> 12
                low, high = _run(level, remaining, at)
                start = low * 4096 // left
                lanes.advance(np.array([start]), np.array([high * 4096 // left - start]))
                index[row, remaining.pop(low)] = member
        lanes.close()
    except Exhausted:
        return index, 1
    by_class = np.lexsort((index, -levels), axis=1)
    return np.take_along_axis(index, by_class, axis=1), 0


def ranking_keys(bits: Array, width: int, shift: int, keys: Array) -> None:
    """Into `keys`: floats' bits so that larger values come first, then the column's number.

    Args:
        bits: (B, C) of `width` bits, sign highest; -0 counts as 0.
        width: 16 or 32.
        shift: bits left for the column.
        keys: (B, C) unsigned.
    """
    wide, sign = bits.astype(np.int64), 1 << (width - 1)
    wide = np.where(wide == sign, 0, wide)
    inverted = np.where(wide & sign, wide, wide ^ (sign - 1))
    keys[:] = inverted << shift | np.arange(bits.shape[1])

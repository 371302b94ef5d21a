"""Top-k labels: sets and ranking keys."""

from __future__ import annotations

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

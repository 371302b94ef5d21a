"""Full labels: high bits in the context of those before."""

from __future__ import annotations

import numpy as np

from labelcodec.entropy.plain.lanes import Array, Exhausted, Lanes
from labelcodec.entropy.tables import Lookup

WEIGHTS = (
    10,
    5,
    3,
    2,
)  # of the values before, nearest first, in 32nds
UNKNOWN = -(1 << 30)


def dense_contexts(high: Array, place_of: Array, mean: Array, base: int, last: int) -> Array:
    """Contexts (C, B) uint8 of high bits (B, C), from the four values before each.

    Args:
        high: (B, C) high bits, in the order of coding.
        place_of: fixed-point value of every pattern of high bits; UNKNOWN where there is none.
        mean: (C,) mean fixed-point value.
        base: prediction at which context 0 begins; a context is 32 wide.
        last: highest context.
    """
    place = place_of[high].astype(np.int64)
    residual = np.where(place == UNKNOWN, 0, place - mean).T
    before = np.pad(residual, ((4, 0), (0, 0)))
    count = len(mean)
    weighted = sum(w * before[3 - lag : 3 - lag + count] for lag, w in enumerate(WEIGHTS))
    predicted = mean[:, None] + (weighted >> 5)
    contexts: Array = np.clip((predicted - base) >> 5, 0, last).astype(np.uint8)
    return contexts


def dense_intervals(
    high: Array,
    place_of: Array,
    mean: Array,
    base: int,
    symbol_of: Array,
    starts: Array,
    freqs: Array,
) -> tuple[Array, Array, Array]:
    """Starts, freqs (uint16) and whether escaped, (C * B,), of high bits (B, C).

    Args:
        high: high bits, in the order of coding.
        place_of: as in `dense_contexts`.
        mean: as in `dense_contexts`.
        base: as in `dense_contexts`.
        symbol_of: symbol of every pattern of high bits; the escape's where there is none.
        starts: of the table set.
        freqs: of the table set.
    """
    contexts = dense_contexts(high, place_of, mean, base, len(freqs) - 1).ravel()
    symbols = symbol_of[high.T.ravel()]
    escaped = (symbols == freqs.shape[1] - 1) | (freqs[contexts, symbols] == 0)
    coded = np.where(escaped, freqs.shape[1] - 1, symbols)
    return starts[contexts, coded], freqs[contexts, coded], escaped


def dense_decode(
    states: Array,
    words: Array,
    rows: int,
    escapes: Array,
    known: Array,
    place_of: Array,
    mean: Array,
    base: int,
    lookup: Lookup,
    escape: int,
) -> tuple[Array, int]:
    """High bits (rows, C) uint16, each in the context its neighbours predict (SPEC, section 7).

    Args:
        states: of the rANS part.
        words: of the rANS part.
        rows: B.
        escapes: high bits of the escaped values, in the order of coding.
        known: (S - 1,) high bits of each symbol.
        place_of: as in `dense_contexts`.
        mean: as in `dense_contexts`.
        base: as in `dense_contexts`.
        lookup: of the table set.
        escape: its escape symbol.
    """
    classes = len(mean)
    high = np.zeros((rows, classes), np.uint16)
    history = np.zeros((4, rows), np.int64)
    used = 0
    try:
        lanes = Lanes(states, words)
        for c in range(classes):
            centre = int(mean[c])
            predicted = centre + (np.array(WEIGHTS) @ history >> 5)
            contexts = np.clip((predicted - base) >> 5, 0, len(lookup[0]) - 1)
            symbol = lanes.take(lookup, contexts)
            escaped = symbol == escape
            count = int(escaped.sum())
            if used + count > len(escapes):
                raise Exhausted
            column = np.append(known, 0)[symbol]
            column[escaped] = escapes[used : used + count]
            used += count
            high[:, c] = column
            place = place_of[column].astype(np.int64)
            residual = np.where(place == UNKNOWN, 0, place - centre)
            history = np.concatenate([residual[None], history[:3]])
        lanes.close()
    except Exhausted:
        return high, 1
    return high, 0 if used == len(escapes) else 1

"""The dense codec's kernels in NumPy: the reference implementation of `compiled`."""

from __future__ import annotations

import numpy as np

from labelcodec.codecs.dense.format import UNKNOWN, WEIGHTS
from labelcodec.entropy.reference.lanes import Array, Exhausted, Lanes
from labelcodec.entropy.tables import Lookup


def dense_contexts(high: Array, place_of: Array, mean: Array, base: int, last: int) -> Array:
    """Context of each value, predicted from the four preceding positions (SPEC, clause D-10).

    Args:
        high: (B, C) high bits, in class order.
        place_of: fixed-point value of every pattern of high bits; UNKNOWN without a symbol.
        mean: (C,) mean fixed-point value at each position.
        base: prediction at which context 0 begins; a context is 32 steps wide.
        last: highest context.

    Returns:
        (C, B) uint8 contexts.
    """
    fixed = place_of[high].astype(np.int64)
    residual = np.where(fixed == UNKNOWN, 0, fixed - mean).T
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
    """Coding intervals of the high bits.

    Args:
        high: (B, C) high bits, in class order.
        place_of: as in `dense_contexts`.
        mean: as in `dense_contexts`.
        base: as in `dense_contexts`.
        symbol_of: symbol of every pattern of high bits; the escape symbol for all others.
        starts: (K, S) interval starts of the table set.
        freqs: (K, S) frequencies of the table set.

    Returns:
        (C * B,) uint16 starts, uint16 frequencies, and whether each value is escaped.
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
    patterns: Array,
    place_of: Array,
    mean: Array,
    base: int,
    lookup: Lookup,
    escape: int,
) -> tuple[Array, int]:
    """Decode the high bits of a batch (SPEC, section 7.3).

    Args:
        states: initial states of the rANS lanes.
        words: the rANS words.
        rows: number of labels, B.
        escapes: high bits of the escaped values, in coding order.
        patterns: (S - 1,) pattern of high bits of each symbol.
        place_of: as in `dense_contexts`.
        mean: as in `dense_contexts`.
        base: as in `dense_contexts`.
        lookup: decoding tables of all contexts.
        escape: the escape symbol.

    Returns:
        (B, C) uint16 high bits, and a status: 1 if the stream is malformed.
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
            column = np.append(patterns, 0)[symbol]
            column[escaped] = escapes[used : used + count]
            used += count
            high[:, c] = column
            fixed = place_of[column].astype(np.int64)
            residual = np.where(fixed == UNKNOWN, 0, fixed - centre)
            history = np.concatenate([residual[None], history[:3]])
        lanes.close()
    except Exhausted:
        return high, 1
    return high, 0 if used == len(escapes) else 1

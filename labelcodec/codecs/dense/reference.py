"""The dense codec's kernels in NumPy: the reference implementation of `compiled`."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelcodec.codecs.dense.format import UNKNOWN, WEIGHTS
from labelcodec.entropy.reference.bits import pack_fixed, unpack_fixed
from labelcodec.entropy.reference.lanes import Array, Exhausted, Lanes
from labelcodec.entropy.reference.rans import rans_encode
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


def dense_encode(
    bits: Array,
    order: Array,
    shift: int,
    drop: int,
    patterns: Array,
    mean: Array,
    base: int,
    packed: Array,
    lanes: int,
) -> tuple[Array, Array, Array, Array]:
    """Encode the values of a batch (SPEC, section 7.3).

    Args:
        bits: (B, C) uint16 or uint32 bit patterns of the values.
        order: (C,) class at each position.
        shift: number of low bits.
        drop: number of lowest bits that are zero in all values; they are not stored.
        patterns: (patterns, 2) int32 of every pattern of high bits: its fixed-point value, as
            `place_of` in `dense_contexts`, and its symbol; the escape symbol for those without.
        mean: as in `dense_contexts`.
        base: as in `dense_contexts`.
        packed: (K, S) uint32 intervals of the table set.
        lanes: number of lanes, 1..32.

    Returns:
        (lanes,) uint32 states and uint16 words, the escaped high bits in coding order, and the
        uint8 bytes of the low bits.
    """
    placed = bits[:, order]
    place_of, symbol_of = patterns.T
    high, escape = placed >> shift, packed.shape[1] - 1
    contexts = dense_contexts(high, place_of, mean, base, len(packed) - 1).ravel()
    symbols = symbol_of[high.T.ravel()]
    escaped = (symbols == escape) | (packed[contexts, symbols] & 0xFFFF == 0)
    states, words = rans_encode(packed[contexts, np.where(escaped, escape, symbols)], lanes)
    low = (placed & ((1 << shift) - 1)) >> drop
    return states, words, high.T.ravel()[escaped], pack_fixed(low.ravel(), shift - drop)


def dense_decode(
    states: Array,
    words: Array,
    escapes: Array,
    low: Array,
    rows: int,
    order: Array,
    shift: int,
    drop: int,
    named: Array,
    place_of: Array,
    mean: Array,
    base: int,
    lookup: Lookup,
    dtype: Any,
) -> tuple[Array, int]:
    """Decode the values of a batch (SPEC, section 7.3).

    Args:
        states: initial states of the rANS lanes.
        words: the rANS words.
        escapes: high bits of the escaped values, in coding order.
        low: uint8 bytes of the low bits.
        rows: number of labels, B.
        order: (C,) class at each position.
        shift: number of low bits.
        drop: number of lowest bits that are not stored.
        named: (S, 2) int32 fixed-point value and pattern of high bits of each symbol.
        place_of: as in `dense_contexts`.
        mean: as in `dense_contexts`.
        base: as in `dense_contexts`.
        lookup: decoding tables of all contexts.
        dtype: uint16 or uint32, the type of the bit patterns.

    Returns:
        (B, C) bit patterns, and a status: 1 if the stream is malformed.
    """
    classes, escape = len(mean), lookup[1].shape[1] - 1
    bits = np.zeros((rows, classes), dtype)
    high = np.zeros((rows, classes), dtype)
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
            column = named[symbol, 1]
            column[escaped] = escapes[used : used + count]
            used += count
            high[:, c] = column
            fixed = place_of[column].astype(np.int64)
            residual = np.where(fixed == UNKNOWN, 0, fixed - centre)
            history = np.concatenate([residual[None], history[:3]])
        lanes.close()
    except Exhausted:
        return bits, 1
    if used != len(escapes):
        return bits, 1
    kept = np.empty(bits.size, np.uint32)
    unpack_fixed(low, shift - drop, kept)
    bits[:, order] = high << shift | kept.reshape(bits.shape).astype(dtype) << drop
    return bits, 0

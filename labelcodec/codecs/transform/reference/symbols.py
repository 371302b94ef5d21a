"""Reference kernels: decoding of coefficients and peaks (SPEC, sections 9.2 and 9.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.contexts import activity, gap_context, residual_context, unzigzag
from labelcodec.codecs.transform.format import LEVELS, MAX_COEFFICIENT, MAX_RESIDUAL
from labelcodec.entropy.reference.lanes import Bits, Exhausted, Lanes
from labelcodec.entropy.tables import Lookup

Array = NDArray[Any]


def coefficient_contexts(
    coefficients: Array, column: Array, weights: Array, thresholds: Array
) -> Array:
    """Context of each coefficient (SPEC, clause X-13).

    Args:
        coefficients: (B, r) coded coefficients.
        column: (r,) class of each column.
        weights: (r,) weight of each column's magnitudes in the activity.
        thresholds: (r, 3) ascending activities that separate the levels.

    Returns:
        (r, B) int64 contexts.
    """
    contexts = np.zeros((len(column), len(coefficients)), np.int64)
    active = np.zeros(len(coefficients), np.int64)
    for j, row in enumerate(coefficients.T.astype(np.int64)):
        level = (active[:, None] >= thresholds[j]).sum(axis=1)
        contexts[j] = column[j] * LEVELS + level
        active = activity(active, row, int(weights[j]))
    return contexts


def value_decode(
    states: Array, words: Array, bits: Array, counts: Array, places: Array, column: Array,
    weights: Array, thresholds: Array, lookup: Lookup,
) -> tuple[Array, Array, int]:  # fmt: skip
    """Decode coefficients and residuals from the LABEL_VALUES stream.

    Args:
        states: initial states of the rANS lanes.
        words: the rANS words.
        bits: the bytes of the raw bits that follow the tokens.
        counts: (B,) number of peaks per label.
        places: (P,) positions of the peaks, label by label.
        column: (r,) class of each column.
        weights: (r,) weight of each column's magnitudes in the activity.
        thresholds: (r, 3) ascending activities that separate the levels.
        lookup: decoding tables of all contexts.

    Returns:
        (r, B) int32 coefficients, (P,) int64 residuals, and a status: 1 if the stream is malformed.
    """
    lanes, extra, escape = Lanes(states, words), Bits(bits), lookup[1].shape[1] - 1
    coefficients = np.zeros((len(column), len(counts)), np.int32)
    residuals = np.zeros(len(places), np.int64)
    active = np.zeros(len(counts), np.int64)

    def take(contexts: Array, most: int) -> Array:
        symbols = lanes.take(lookup, contexts)
        values = unzigzag(np.array([extra.value(int(s), escape) for s in symbols], np.int64))
        if np.abs(values).max(initial=0) > most:
            raise Exhausted
        return values

    try:
        for j in range(len(column)):
            level = (active[:, None] >= thresholds[j]).sum(axis=1)
            row = take(column[j] * LEVELS + level, MAX_COEFFICIENT - 1)
            coefficients[j] = row
            active = activity(active, row, int(weights[j]))
        residuals = take(residual_context(np.repeat(counts, counts), places), MAX_RESIDUAL)
        lanes.close()
    except Exhausted:
        return coefficients, residuals, 1
    return coefficients, residuals, 0 if (extra.position + 7) // 8 == len(bits) else 1


def gap_decode(
    states: Array, words: Array, bits: Array, rows: int, peaks: int, classes: int, lookup: Lookup,
) -> tuple[Array, Array, int]:  # fmt: skip
    """Decode peak counts and positions from the LABEL_INDEX stream.

    Args:
        states: initial states of the rANS lanes.
        words: the rANS words.
        bits: the bytes of the raw bits that follow the tokens.
        rows: number of labels, B.
        peaks: number of peaks, P.
        classes: C.
        lookup: decoding tables of all contexts.

    Returns:
        (B,) counts, (P,) positions, label by label and ascending within one, and a status: 1 if the
        stream is malformed.
    """
    lanes, extra, escape = Lanes(states, words), Bits(bits), lookup[1].shape[1] - 1
    none = np.zeros(0, np.int64)
    try:
        symbols = lanes.take(lookup, np.zeros(rows, np.int64))
        counts = np.array([extra.value(int(s), escape) for s in symbols], np.int64)
        if (counts > classes).any() or counts.sum() != peaks:
            raise Exhausted
        places = np.full((rows, int(counts.max())), -1, np.int64)
        last, before = np.full(rows, -1, np.int64), np.full(rows, -1, np.int64)
        for i in range(places.shape[1]):
            row = np.flatnonzero(counts > i)
            symbols = lanes.take(lookup, gap_context(counts[row] - i, before[row]))
            gap = np.array([extra.value(int(s), escape) for s in symbols], np.int64)
            before[row], last[row] = gap, last[row] + gap + 1
            if (last[row] >= classes).any():
                raise Exhausted
            places[row, i] = last[row]
        lanes.close()
    except Exhausted:
        return none, none, 1
    if (extra.position + 7) // 8 != len(bits):
        return none, none, 1
    return counts, places[places >= 0], 0

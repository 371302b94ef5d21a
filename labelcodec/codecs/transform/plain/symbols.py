"""Coefficients and peaks out of their streams; plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import tokens
from labelcodec.entropy.plain.lanes import Bits, Exhausted, Lanes
from labelcodec.entropy.tables import Lookup

Array = NDArray[Any]
COLUMN_CLASSES = 12
LEVELS = 4  # of a label's activity in the contexts of its coefficients
COEFFICIENT_CONTEXTS = COLUMN_CLASSES * LEVELS
MAX_MAGNITUDE = 15
DECAY = 3
LEFT, BEFORE = 6, 7  # classes of the peaks to come and of the gap before, in a gap's context
RANKS, COUNTS = 10, 3  # classes of a peak's place and of their number, in a residual's context
RESIDUAL_CONTEXTS = RANKS * COUNTS
MAX_COEFFICIENT = 1 << 15
MAX_RESIDUAL = 1 << 24


def unzigzag(values: Array) -> Array:
    """Signed integers of 0, -1, 1, -2, ... numbered from 0."""
    return (values >> 1) ^ -(values & 1)


def activity(before: Array, coefficients: Array, weight: int) -> Array:
    """A label's activity after one more coefficient: a decaying sum of weighted magnitudes."""
    magnitude = np.minimum(np.abs(coefficients), MAX_MAGNITUDE)
    result: Array = before - (before >> DECAY) + magnitude * weight
    return result


def coefficient_contexts(
    coefficients: Array, column: Array, weights: Array, thresholds: Array
) -> Array:
    """(r, B) context of each coefficient.

    Args:
        coefficients: (B, r).
        column: (r,) class of each column.
        weights: (r,) weight of a magnitude in the activity.
        thresholds: (r, 3) rising activities that part the levels.
    """
    contexts = np.zeros((len(column), len(coefficients)), np.int64)
    active = np.zeros(len(coefficients), np.int64)
    for j, row in enumerate(coefficients.T.astype(np.int64)):
        level = (active[:, None] >= thresholds[j]).sum(axis=1)
        contexts[j] = column[j] * LEVELS + level
        active = activity(active, row, int(weights[j]))
    return contexts


def residual_context(counts: Array, places: Array) -> Array:
    """Context of each residual: its place in the ranking, and how many peaks its label has."""
    rank = np.minimum(tokens.bucket(places + 1) // 2, RANKS - 1)
    many = np.minimum(tokens.bucket(counts) // 3, COUNTS - 1)
    context: Array = COEFFICIENT_CONTEXTS + rank * COUNTS + many
    return context


def value_decode(
    states: Array, words: Array, bits: Array, counts: Array, places: Array, column: Array,
    weights: Array, thresholds: Array, lookup: Lookup, escape: int,
) -> tuple[Array, Array, int]:  # fmt: skip
    """Coefficients (r, B) and residuals (P,) of labels with these peaks.

    Returns:
        Both, and 0, or 1 when the stream is bad.
    """
    lanes, extra = Lanes(states, words), Bits(bits)
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


def gap_context(left: Array, before: Array) -> Array:
    """Context of a gap: peaks still to come (1 and more) and the gap before (-1: none)."""
    to_come = np.minimum(tokens.bucket(left), LEFT - 1)
    previous = np.minimum((tokens.bucket(before + 2) + 1) >> 1, BEFORE - 1)
    context: Array = 1 + to_come * BEFORE + np.where(before < 0, 0, previous)
    return context


def gap_decode(
    states: Array, words: Array, bits: Array, rows: int, peaks: int, classes: int, lookup: Lookup,
    escape: int,
) -> tuple[Array, Array, int]:  # fmt: skip
    """Numbers of peaks (B,) and their `peaks` places, rising in each label, label by label.

    Returns:
        The counts, the places, and 0, or 1 when the stream is bad.
    """
    lanes, extra = Lanes(states, words), Bits(bits)
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

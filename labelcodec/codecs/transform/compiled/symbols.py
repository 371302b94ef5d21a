"""Compiled kernels: decoding of coefficients and peaks; documented in `reference`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy import int32

from labelcodec.codecs.transform.contexts import gap_context, residual_context
from labelcodec.codecs.transform.format import (
    DECAY,
    LEVELS,
    MAX_COEFFICIENT,
    MAX_MAGNITUDE,
    MAX_RESIDUAL,
)
from labelcodec.entropy.compiled.bitio import U, as_words, closed
from labelcodec.entropy.compiled.rans import next_symbols, next_values

# context tables, each input capped at the value from which on the context stays the same
_COUNTS = np.maximum(np.arange(9), 1)[:, None]
_GAP_CONTEXT = gap_context(_COUNTS, np.arange(-1, 63))
_RESIDUAL_CONTEXT = residual_context(_COUNTS, np.arange(512))


@njit(cache=True, nogil=True)
def coefficient_contexts(coefficients: Any, column: Any, weights: Any, thresholds: Any) -> Any:
    """As `reference.coefficient_contexts`."""
    rows, rank = coefficients.shape
    contexts = np.zeros((rank, rows), np.int64)
    for row in range(rows):
        active: Any = np.int64(0)
        for j in range(rank):
            level = 0
            for threshold in thresholds[j]:
                level += active >= threshold
            contexts[j, row] = column[j] * LEVELS + level
            magnitude = min(abs(np.int64(coefficients[row, j])), MAX_MAGNITUDE)
            active += magnitude * weights[j] - (active >> DECAY)
    return contexts


@njit(cache=True, nogil=True)
def value_decode(
    states: Any, words: Any, bits: Any, counts: Any, places: Any, column: Any, weights: Any,
    thresholds: Any, lookup: Any, escape: int,
) -> Any:  # fmt: skip
    """As `reference.value_decode`."""
    rows, rank = len(counts), len(column)
    coefficients, residuals = np.empty((rank, rows), np.int32), np.zeros(len(places), np.int64)
    active, contexts = np.zeros(rows, np.int32), np.zeros(rows, np.uint8)
    symbols, values = np.zeros(rows, np.uint8), np.zeros(rows, np.uint32)
    states, extra, end = states.astype(np.uint64), as_words(bits), np.uint64(8 * len(bits))
    lane, read, position = 0, 0, U(0)
    for j in range(rank):
        low, middle, high = thresholds[j]
        first = np.uint8(column[j] * LEVELS)
        for row in range(rows):
            a = active[row]
            contexts[row] = first + np.uint8(a >= low) + np.uint8(a >= middle) + np.uint8(a >= high)
        lane, read = next_symbols(states, lane, words, read, lookup, contexts, symbols)
        position = next_values(symbols, escape, extra, position, end, values)
        if read < 0 or position > end or values.max() > 2 * MAX_COEFFICIENT - 2:
            return coefficients, residuals, 1
        weight = int32(weights[j])
        for row in range(rows):
            value = int32(values[row])
            coefficients[j, row] = (value >> int32(1)) ^ -(value & int32(1))
            magnitude = min((value + int32(1)) >> int32(1), int32(MAX_MAGNITUDE))
            active[row] += magnitude * weight - (active[row] >> int32(DECAY))
    contexts, at = np.zeros(len(places), np.uint8), 0
    for count in counts:
        for _ in range(count):
            contexts[at] = _RESIDUAL_CONTEXT[min(count, 8), min(places[at], 511)]
            at += 1
    symbols = np.zeros(len(places), np.uint8)
    lane, read = next_symbols(states, lane, words, read, lookup, contexts, symbols)
    position = next_values(symbols, escape, extra, position, end, residuals)
    if read < 0 or not closed(states, words, read) or (position + U(7)) >> U(3) != len(bits):
        return coefficients, residuals, 1
    largest = np.int64(0)
    for i in range(len(places)):
        residuals[i] = (residuals[i] >> 1) ^ -(residuals[i] & 1)
        largest = max(largest, abs(residuals[i]))
    return coefficients, residuals, 1 if largest > MAX_RESIDUAL else 0


@njit(cache=True, nogil=True)
def gap_decode(
    states: Any, words: Any, bits: Any, rows: int, peaks: int, classes: int, lookup: Any,
    escape: int,
) -> Any:  # fmt: skip
    """As `reference.gap_decode`."""
    counts, places = np.zeros(rows, np.int64), np.zeros(peaks, np.int64)
    contexts, gaps = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    symbols = np.zeros(rows, np.uint8)
    states, extra, end = states.astype(np.uint64), as_words(bits), np.uint64(8 * len(bits))
    lane, read = next_symbols(states, 0, words, 0, lookup, contexts, symbols)
    position = next_values(symbols, escape, extra, U(0), end, counts)
    if read < 0 or position > end or counts.max() > classes or counts.sum() != peaks:
        return counts, places, 1
    first = np.cumsum(counts) - counts
    left, last = np.arange(rows), np.full(rows, -1, np.int64)
    for i in range(counts.max()):
        some = 0  # number of labels that have an i-th gap
        for row in left:
            if counts[row] > i:
                left[some] = row
                before = gaps[row] if i > 0 else -1
                contexts[some] = _GAP_CONTEXT[min(counts[row] - i, 8), min(before, 62) + 1]
                some += 1
        left = left[:some]
        lane, read = next_symbols(
            states, lane, words, read, lookup, contexts[:some], symbols[:some]
        )
        position = next_values(symbols[:some], escape, extra, position, end, contexts[:some])
        if read < 0 or position > end:
            return counts, places, 1
        for j in range(some):
            row, gap = left[j], contexts[j]
            gaps[row], last[row] = gap, last[row] + gap + 1
            if last[row] >= classes:
                return counts, places, 1
            places[first[row] + i] = last[row]
    good = closed(states, words, read) and (position + U(7)) >> U(3) == len(bits)
    return counts, places, 0 if good else 1

"""The transform kernels compiled with numba; see `plain` for what each does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from labelcodec.codecs.transform.plain import (
    DECAY,
    FINE,
    HALF,
    LEVELS,
    MAX_CODED,
    MAX_COEFFICIENT,
    MAX_MAGNITUDE,
    MAX_PREDICTED,
    MAX_RESIDUAL,
    WEIGHT_BITS,
    gap_context,
    residual_context,
)
from labelcodec.entropy.kernels.rans import next_symbols, next_values
from labelcodec.entropy.kernels.words import U, as_words, closed

BINS = 512
# contexts by what they depend on, each capped where it stops to matter
_COUNTS = np.maximum(np.arange(9), 1)[:, None]
_GAP_CONTEXT = gap_context(_COUNTS, np.arange(-1, 63))
_RESIDUAL_CONTEXT = residual_context(_COUNTS, np.arange(512))


@njit(cache=True, nogil=True)
def coefficient_contexts(coefficients: Any, column: Any, weights: Any, thresholds: Any) -> Any:
    """Twin of `plain.coefficient_contexts`."""
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
def mixed(entries: Any, unit: Any, kept: Any, image: Any, part: Any, crop: Any) -> Any:
    """Twin of `plain.mixed`."""
    samples, rank = len(image), len(unit)
    result = np.empty((samples, rank), np.int32)
    for i in range(samples):
        own, partner = image[i]
        first, second = part[i, 0] * kept[crop[i, 0]], part[i, 1] * kept[crop[i, 1]]
        if own >= len(entries):
            own, first = 0, 0
        if partner >= len(entries):
            partner, second = 0, 0
        for j in range(rank):
            both = entries[own, j] * first + entries[partner, j] * second
            value = (both * unit[j] + HALF) >> WEIGHT_BITS
            result[i, j] = min(max(value, -MAX_PREDICTED), MAX_PREDICTED)
    return result


@njit(cache=True, nogil=True)
def restored(coded: Any, predicted: Any) -> Any:
    """Twin of `plain.restored`."""
    samples, rank = predicted.shape
    coefficients, largest = np.empty((samples, rank), np.int32), np.int64(0)
    for i in range(samples):
        for j in range(rank):
            value = np.int64(coded[j, i])
            coefficients[i, j] = (value << FINE) + predicted[i, j]
            largest = max(largest, abs(value))
    return coefficients, np.int64(largest >= MAX_CODED)


@njit(cache=True, nogil=True)
def value_decode(
    states: Any, words: Any, bits: Any, counts: Any, places: Any, column: Any, weights: Any,
    thresholds: Any, lookup: Any, escape: int,
) -> Any:  # fmt: skip
    """Twin of `plain.value_decode`."""
    rows, rank = len(counts), len(column)
    coefficients = np.zeros((rank, rows), np.int32)
    residuals = np.zeros(len(places), np.int64)
    active, contexts = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    symbols, values = np.zeros(rows, np.uint8), np.zeros(rows, np.int64)
    states, extra, end = states.astype(np.uint64), as_words(bits), np.uint64(8 * len(bits))
    lane, read, position = 0, 0, U(0)
    for j in range(rank):
        low, middle, high = thresholds[j]
        for row in range(rows):
            a = active[row]
            contexts[row] = column[j] * LEVELS + (a >= low) + (a >= middle) + (a >= high)
        lane, read = next_symbols(states, lane, words, read, lookup, contexts, symbols)
        position = next_values(symbols, escape, extra, position, end, values)
        if read < 0 or position > end or values.max() > 2 * MAX_COEFFICIENT - 2:
            return coefficients, residuals, 1
        for row in range(rows):
            coefficients[j, row] = (values[row] >> 1) ^ -(values[row] & 1)
            magnitude = min((values[row] + 1) >> 1, MAX_MAGNITUDE)
            active[row] += magnitude * weights[j] - (active[row] >> DECAY)
    contexts, at = np.zeros(len(places), np.int64), 0
    for count in counts:
        for _ in range(count):
            contexts[at] = _RESIDUAL_CONTEXT[min(count, 8), min(places[at], 511)]
            at += 1
    symbols = np.zeros(len(places), np.uint8)
    lane, read = next_symbols(states, lane, words, read, lookup, contexts, symbols)
    position = next_values(symbols, escape, extra, position, end, residuals)
    if read < 0 or not closed(states, words, read) or (position + U(7)) >> U(3) != len(bits):
        return coefficients, residuals, 1
    for i in range(len(places)):
        residuals[i] = (residuals[i] >> 1) ^ -(residuals[i] & 1)
        if abs(residuals[i]) > MAX_RESIDUAL:
            return coefficients, residuals, 1
    return coefficients, residuals, 0


@njit(cache=True, nogil=True)
def gap_decode(
    states: Any, words: Any, bits: Any, rows: int, peaks: int, classes: int, lookup: Any,
    escape: int,
) -> Any:  # fmt: skip
    """Twin of `plain.gap_decode`."""
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
        some = 0  # labels that have a gap number i
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


@njit(inline="always")
def _bucket(value: int) -> int:
    """Half-octave of a positive integer."""
    high = 0
    while value >> high > 1:
        high += 1
    return 2 * high + ((value >> (high - 1)) & 1) if high > 0 else 0


@njit(cache=True, nogil=True)
def ranked_classes(scores: Any, counts: Any, places: Any) -> Any:
    """Twin of `plain.ranked_classes`: sorts only the classes that may be at a place wanted."""
    rows, width = scores.shape
    classes, stop = np.zeros(len(places), np.int64), 0
    bins, keys = np.zeros(width, np.int32), np.zeros(width + 1, np.int64)
    size, wanted = np.zeros(BINS, np.int32), np.zeros(BINS, np.int32)
    for row in range(rows):
        first, stop = stop, stop + counts[row]
        if first == stop:
            continue
        high = low = scores[row, 0]
        for c in range(width):
            high, low = max(high, scores[row, c]), min(low, scores[row, c])
        shift = np.int32(0)
        while (high - low) >> shift >= BINS:
            shift += np.int32(1)
        for c in range(width):
            bins[c] = np.int32(high - scores[row, c]) >> shift
        size[:] = wanted[:] = 0
        for c in range(width):
            size[bins[c]] += 1
        current, below, listed = -1, 0, 0
        for i in range(first, stop):
            while below <= places[i]:
                current += 1
                below += size[current]
            if not wanted[current]:
                wanted[current] = 1
                listed += size[current]
            classes[i] = listed + places[i] - below
        found = 0
        for c in range(width):
            keys[found] = np.int64(high - scores[row, c]) << 20 | c
            found += wanted[bins[c]]
        ranked = np.sort(keys[:found])
        for i in range(first, stop):
            classes[i] = ranked[classes[i]] & ((1 << 20) - 1)
    return classes


@njit(cache=True, nogil=True)
def choose(scores: Any, gain: Any, price: float, most: int) -> Any:
    """Twin of `plain.choose`; counts places instead of sorting."""
    rows, width = scores.shape
    counts = np.zeros(rows, np.int64)
    room = 64 * rows
    places, classes, total = np.zeros(room, np.int64), np.zeros(room, np.int64), 0
    bits = np.zeros(width, np.float32)
    for rank in range(width):
        bits[rank] = np.float32(8 + _bucket(rank + 1) // 2) * np.float32(price)
    keys, excess = np.zeros(width, np.int64), np.zeros(width, np.float32)
    for row in range(rows):
        found = 0
        for c in range(width):
            if gain[row, c] <= bits[0]:
                continue
            score, rank = scores[row, c], 0
            for other in range(c):
                rank += scores[row, other] >= score
            for other in range(c + 1, width):
                rank += scores[row, other] > score
            if gain[row, c] > bits[rank]:
                keys[found], excess[found] = rank << 20 | c, gain[row, c] - bits[rank]
                found += 1
        limit = np.float32(0)
        if found > most:
            limit = np.sort(excess[:found])[found - most - 1]
        kept = 0
        for i in range(found):
            if excess[i] > limit:
                keys[kept] = keys[i]
                kept += 1
        if total + kept > room:
            room = 2 * room + kept
            places = np.concatenate((places, np.zeros(room - len(places), np.int64)))
            classes = np.concatenate((classes, np.zeros(room - len(classes), np.int64)))
        for key in np.sort(keys[:kept]):
            places[total], classes[total] = key >> 20, key & ((1 << 20) - 1)
            total += 1
        counts[row] = kept
    return counts, places[:total], classes[:total]


@njit(cache=True, nogil=True)
def expand(scores: Any, counts: Any, classes: Any, values: Any, tail: Any, shift: int) -> Any:
    """Twin of `plain.expand`."""
    rows, width = scores.shape
    full, stop = scores.copy(), 0
    last, bits = np.int32(len(tail) - 1), np.int32(shift)
    for row in range(rows):
        first, stop = stop, stop + counts[row]
        for i in range(first, stop):
            full[row, classes[i]] = values[i]
        high = full[row, 0]
        for c in range(width):
            high = max(high, full[row, c])
        for c in range(width):
            distance = min(np.int32(high - full[row, c]) >> bits, last)
            full[row, c] += tail[np.uint32(distance)]
        for i in range(first, stop):
            full[row, classes[i]] = values[i]
    return full

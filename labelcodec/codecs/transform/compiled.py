"""The transform kernels compiled with numba; see `plain` for what each does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from labelcodec.codecs.transform.plain import (
    BEFORE,
    DECAY,
    HALF,
    LEFT,
    LEVELS,
    MAX_COEFFICIENT,
    MAX_MAGNITUDE,
    MAX_PREDICTED,
    WEIGHT_BITS,
)
from labelcodec.entropy.kernels.words import BASES, LOW, MASK, WIDTHS, U, as_words, closed, take

BINS = 1024


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
def mixed(entries: Any, unit: Any, image: Any, weight: Any) -> Any:
    """Twin of `plain.mixed`."""
    samples, rank = len(image), len(unit)
    result = np.empty((samples, rank), np.int32)
    for i in range(samples):
        own, partner = image[i]
        first, second = weight[i]
        for j in range(rank):
            both = entries[own, j] * first + entries[partner, j] * second
            value = (both * unit[j] + HALF) >> WEIGHT_BITS
            result[i, j] = min(max(value, -MAX_PREDICTED), MAX_PREDICTED)
    return result


@njit(inline="always")
def _step(states: Any, lane: int, words: Any, read: int, lookup: Any, context: int) -> Any:
    """A token and the words read, -1 when they ran out."""
    state = states[lane]
    entry = np.uint64(lookup[context, state & MASK])
    state = ((entry >> U(8) & MASK) + U(1)) * (state >> U(12)) + (entry >> U(20))
    if state < LOW:
        if read == len(words):
            return np.int64(0), -1
        state = (state << U(16)) | np.uint64(words[read])
        read += 1
    states[lane] = state
    return np.int64(entry & U(255)), read


@njit(inline="always")
def _value(token: Any, escape: int, extra: Any, position: Any, end: Any) -> Any:
    """The integer of a token and the bit behind it, past `end` when bits ran out."""
    if token == escape:
        if position + U(8) > end:
            return np.int64(0), end + U(1)
        token = np.int64(take(extra, position, U(8)))
        position += U(8)
    width = WIDTHS[token]
    if position + width > end:
        return np.int64(0), end + U(1)
    return np.int64(BASES[token] + take(extra, position, width)), position + width


@njit(cache=True, nogil=True)
def coefficient_decode(
    states: Any, words: Any, bits: Any, rows: int, column: Any, weights: Any, thresholds: Any,
    lookup: Any, escape: int,
) -> Any:  # fmt: skip
    """Twin of `plain.coefficient_decode`."""
    rank, lanes = len(column), len(states)
    coefficients = np.zeros((rows, rank), np.int64)
    active = np.zeros(rows, np.int64)
    extra, position, end = as_words(bits), U(0), np.uint64(8 * len(bits))
    lane, read = 0, 0
    for j in range(rank):
        for row in range(rows):
            level = 0
            for threshold in thresholds[j]:
                level += active[row] >= threshold
            token, read = _step(states, lane, words, read, lookup, column[j] * LEVELS + level)
            if read < 0:
                return coefficients, -1, 0
            lane += 1
            if lane == lanes:
                lane = 0
            value, position = _value(token, escape, extra, position, end)
            value = (value >> 1) ^ -(value & 1)
            if position > end or abs(value) >= MAX_COEFFICIENT:
                return coefficients, -1, 0
            coefficients[row, j] = value
            magnitude = min(abs(value), MAX_MAGNITUDE)
            active[row] += magnitude * weights[j] - (active[row] >> DECAY)
    return coefficients, read, np.int64(position)


@njit(inline="always")
def _bucket(value: int) -> int:
    """Half-octave of a positive integer."""
    high = 0
    while value >> high > 1:
        high += 1
    return 2 * high + ((value >> (high - 1)) & 1) if high > 0 else 0


@njit(inline="always")
def _gap_context(left: int, before: int) -> int:
    previous = min((_bucket(before + 2) + 1) >> 1, BEFORE - 1) if before >= 0 else 0
    return 1 + min(_bucket(left), LEFT - 1) * BEFORE + previous


@njit(cache=True, nogil=True)
def gap_decode(
    states: Any, words: Any, bits: Any, rows: int, peaks: int, classes: int, lookup: Any,
    escape: int,
) -> Any:  # fmt: skip
    """Twin of `plain.gap_decode`."""
    none = np.zeros(0, np.int64)
    counts, lanes = np.zeros(rows, np.int64), len(states)
    extra, position, end = as_words(bits), U(0), np.uint64(8 * len(bits))
    lane, read, most, total = 0, 0, 0, 0
    for row in range(rows):
        token, read = _step(states, lane, words, read, lookup, 0)
        if read < 0:
            return none, none, 1
        lane = lane + 1 if lane + 1 < lanes else 0
        counts[row], position = _value(token, escape, extra, position, end)
        if position > end or counts[row] > classes:
            return none, none, 1
        most = max(most, counts[row])
        total += counts[row]
    if total != peaks:
        return none, none, 1
    places = np.zeros(total, np.int64)
    first = np.cumsum(counts) - counts
    for i in range(most):
        for row in range(rows):
            if counts[row] <= i:
                continue
            at = first[row] + i
            last = places[at - 1] if i > 0 else -1
            before = -1
            if i > 0:
                before = last - (places[at - 2] if i > 1 else -1) - 1
            context = _gap_context(counts[row] - i, before)
            token, read = _step(states, lane, words, read, lookup, context)
            if read < 0:
                return none, none, 1
            lane = lane + 1 if lane + 1 < lanes else 0
            gap, position = _value(token, escape, extra, position, end)
            if position > end or last + gap + 1 >= classes:
                return none, none, 1
            places[at] = last + gap + 1
    if not closed(states, words, read) or (position + U(7)) >> U(3) != np.uint64(len(bits)):
        return none, none, 1
    return counts, places, 0


@njit(cache=True, nogil=True)
def ranked_classes(scores: Any, counts: Any, places: Any) -> Any:
    """Twin of `plain.ranked_classes`: sorts only what lies above the last place wanted."""
    rows, width = scores.shape
    classes, stop = np.zeros(len(places), np.int64), 0
    keys, size = np.zeros(width, np.int64), np.zeros(BINS + 1, np.int64)
    for row in range(rows):
        first, stop = stop, stop + counts[row]
        if first == stop:
            continue
        high = low = scores[row, 0]
        for c in range(width):
            high, low = max(high, scores[row, c]), min(low, scores[row, c])
        shift = 0
        while (high - low) >> shift >= BINS:
            shift += 1
        size[:] = 0
        for c in range(width):
            size[(high - scores[row, c]) >> shift] += 1
        cut, above = 0, size[0]
        while above <= places[stop - 1]:
            cut += 1
            above += size[cut]
        found, bound = 0, high - (np.int64(cut + 1) << shift)
        for c in range(width):
            if scores[row, c] > bound:
                keys[found] = (high - scores[row, c]) << 20 | c
                found += 1
        ranked = np.sort(keys[:found])
        for i in range(first, stop):
            classes[i] = ranked[places[i]] & ((1 << 20) - 1)
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
    full, stop, last = scores.copy(), 0, len(tail) - 1
    for row in range(rows):
        first, stop = stop, stop + counts[row]
        for i in range(first, stop):
            full[row, classes[i]] = values[i]
        high = np.int64(full[row, 0])
        for c in range(width):
            high = max(high, np.int64(full[row, c]))
        for c in range(width):
            full[row, c] += tail[min((high - np.int64(full[row, c])) >> shift, last)]
        for i in range(first, stop):
            full[row, classes[i]] = values[i]
    return full

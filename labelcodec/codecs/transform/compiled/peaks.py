"""Compiled kernels: ranking, choice and expansion of peaks; documented in `reference`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

BINS = 512  # of the histogram over the scores of one label
MANY = 256  # classes from which on sorting is faster than counting


@njit(inline="always")
def _bucket(value: int) -> int:
    """Half-octave of a positive integer."""
    high = 0
    while value >> high > 1:
        high += 1
    return 2 * high + ((value >> (high - 1)) & 1) if high > 0 else 0


@njit(cache=True, nogil=True)
def ranked_classes(scores: Any, counts: Any, places: Any) -> Any:
    """As `reference.ranked_classes`.

    A histogram of the scores narrows the sort to the bins that hold a requested position.
    """
    rows, width = scores.shape
    classes, stop = np.zeros(len(places), np.int64), 0
    bins, keys = np.zeros(width, np.int32), np.zeros(width + 1, np.int64)
    size, needed = np.zeros(BINS, np.int32), np.zeros(BINS, np.int32)
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
        size[:] = needed[:] = 0
        for c in range(width):
            size[bins[c]] += 1
        current, below, listed = -1, 0, 0
        for i in range(first, stop):
            while below <= places[i]:
                current += 1
                below += size[current]
            if not needed[current]:
                needed[current] = 1
                listed += size[current]
            classes[i] = listed + places[i] - below
        listed_keys = 0
        for c in range(width):
            keys[listed_keys] = np.int64(high - scores[row, c]) << 20 | c
            listed_keys += needed[bins[c]]
        ranked = np.sort(keys[:listed_keys])
        for i in range(first, stop):
            classes[i] = ranked[classes[i]] & ((1 << 20) - 1)
    return classes


@njit(cache=True, nogil=True)
def _places(scores: Any, some: Any, places: Any) -> None:
    """Positions of some classes in a label's ranking.

    Counting the classes above is faster than sorting while there are few.
    """
    if len(some) > MANY:
        keys, ranked = np.empty(len(scores), np.int64), np.empty(len(scores), np.int64)
        for c in range(len(scores)):
            keys[c] = -np.int64(scores[c]) << 20 | c
        for position, key in enumerate(np.sort(keys)):
            ranked[key & ((1 << 20) - 1)] = position
        for i in range(len(some)):
            places[i] = ranked[some[i]]
        return
    for i in range(len(some)):
        c, position = some[i], 0
        score = scores[c]
        for d in range(c):
            position += scores[d] >= score
        for d in range(c + 1, len(scores)):
            position += scores[d] > score
        places[i] = position


@njit(cache=True, nogil=True)
def choose(scores: Any, gain: Any, price: float, most: int) -> Any:
    """As `reference.choose`."""
    rows, width = scores.shape
    counts = np.zeros(rows, np.int64)
    room = 64 * rows
    places, classes, total = np.zeros(room, np.int64), np.zeros(room, np.int64), 0
    bits = np.zeros(width, np.float32)
    for rank in range(width):
        bits[rank] = np.float32(8 + _bucket(rank + 1) // 2) * np.float32(price)
    keys, excess = np.zeros(width, np.int64), np.zeros(width, np.float32)
    some, ranks = np.zeros(width, np.int64), np.zeros(width, np.int64)
    for row in range(rows):
        likely = candidates = 0
        for c in range(width):
            some[likely] = c
            likely += gain[row, c] > bits[0]
        _places(scores[row], some[:likely], ranks)
        for i in range(likely):
            c, rank = some[i], ranks[i]
            if gain[row, c] > bits[rank]:
                keys[candidates], excess[candidates] = rank << 20 | c, gain[row, c] - bits[rank]
                candidates += 1
        limit = np.float32(0)
        if candidates > most:
            limit = np.sort(excess[:candidates])[candidates - most - 1]
        kept = 0
        for i in range(candidates):
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
    """As `reference.expand`."""
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

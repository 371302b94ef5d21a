"""The dense codec's kernels, compiled with numba; documented in `reference`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from labelcodec.codecs.dense.format import UNKNOWN
from labelcodec.entropy.compiled.bitio import LOW, U, closed, step


@njit(cache=True, nogil=True)
def dense_contexts(high: Any, place_of: Any, mean: Any, base: int, last: int) -> Any:
    """As `reference.dense_contexts`."""
    rows, classes = high.shape
    contexts = np.zeros((classes, rows), np.uint8)
    for row in range(rows):
        r1 = r2 = r3 = r4 = np.int64(0)
        for c in range(classes):
            centre = np.int64(mean[c])
            predicted = centre + ((10 * r1 + 5 * r2 + 3 * r3 + 2 * r4) >> 5)
            contexts[c, row] = min(max((predicted - base) >> 5, 0), last)
            fixed = np.int64(place_of[high[row, c]])
            r4, r3, r2 = r3, r2, r1
            r1 = np.int64(0) if fixed == UNKNOWN else fixed - centre
    return contexts


@njit(cache=True, nogil=True)
def dense_intervals(
    high: Any, place_of: Any, mean: Any, base: int, symbol_of: Any, starts: Any, freqs: Any
) -> Any:
    """As `reference.dense_intervals`."""
    rows, classes = high.shape
    last, escape = np.int32(len(freqs) - 1), freqs.shape[1] - 1
    # packed tables: one lookup for start and frequency, one for fixed-point value and symbol
    packed = (starts.astype(np.uint32) << np.uint32(16)) | freqs
    entries = (place_of << 8) | symbol_of
    start = np.empty((classes, rows), np.uint16)
    freq = np.empty((classes, rows), np.uint16)
    escaped = np.zeros((classes, rows), np.bool_)
    history, context = np.zeros((4, rows), np.int32), np.zeros(rows, np.int32)
    for c in range(classes):
        centre = np.int32(mean[c])
        own, before1 = history[c & 3], history[(c + 3) & 3]
        before2, before3 = history[(c + 2) & 3], history[(c + 1) & 3]
        for row in range(rows):
            near = np.int32(10) * before1[row] + np.int32(5) * before2[row]
            far = np.int32(3) * before3[row] + np.int32(2) * own[row]
            predicted = centre + ((near + far) >> np.int32(5))
            context[row] = min(max((predicted - np.int32(base)) >> 5, np.int32(0)), last)
        for row in range(rows):
            entry = entries[high[row, c]]
            interval = packed[context[row], entry & 255]
            if entry & 255 == escape or interval & np.uint32(0xFFFF) == 0:
                interval, escaped[c, row] = packed[context[row], escape], True
            start[c, row], freq[c, row] = interval >> np.uint32(16), interval & np.uint32(0xFFFF)
            fixed = entry >> 8
            own[row] = np.int32(0) if fixed == UNKNOWN else np.int32(fixed) - centre
    return start.ravel(), freq.ravel(), escaped.ravel()


@njit(cache=True, nogil=True)
def dense_decode(
    states: Any,
    words: Any,
    rows: int,
    escapes: Any,
    patterns: Any,
    place_of: Any,
    mean: Any,
    base: int,
    lookup: Any,
    escape: int,
) -> Any:
    """As `reference.dense_decode`."""
    classes, last = len(mean), len(lookup[0]) - 1
    high = np.zeros((rows, classes), np.uint16)
    states = states.astype(np.uint64)
    lanes = len(states)
    history = np.zeros((rows, 4), np.int64)
    read, lane, used = 0, 0, 0
    for c in range(classes):
        centre = np.int64(mean[c])
        for row in range(rows):
            r1, r2, r3 = history[row, 0], history[row, 1], history[row, 2]
            predicted = centre + ((10 * r1 + 5 * r2 + 3 * r3 + 2 * history[row, 3]) >> 5)
            context = min(max((predicted - base) >> 5, 0), last)
            state = states[lane]
            symbol, state = step(state, lookup, context)
            if state < LOW:
                if read == len(words):
                    return high, 1
                state = (state << U(16)) | np.uint64(words[read])
                read += 1
            states[lane] = state
            if symbol == np.uint64(escape):
                if used == len(escapes):
                    return high, 1
                top = escapes[used]
                used += 1
            else:
                top = patterns[symbol]
            high[row, c] = top
            fixed = np.int64(place_of[top])
            history[row, 3], history[row, 2], history[row, 1] = r3, r2, r1
            history[row, 0] = 0 if fixed == UNKNOWN else fixed - centre
            lane += 1
            if lane == lanes:
                lane = 0
    return high, 0 if closed(states, words, read) and used == len(escapes) else 1

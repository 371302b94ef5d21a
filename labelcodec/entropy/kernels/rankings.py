"""Top-k labels: sets, their arrangement and ranking keys; see `plain.rankings`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from labelcodec.entropy.kernels.words import (
    BASES,
    LOW,
    MASK,
    WIDTHS,
    U,
    as_words,
    closed,
    step,
    take,
)


@njit(cache=True, nogil=True)
def set_decode(
    states: Any, words: Any, extra: Any, rows: int, k: int, classes: int, lookup: Any, escape: int
) -> Any:
    """Twin of `plain.set_decode`."""
    positions = np.zeros((rows, k), np.int64)
    states = states.astype(np.uint64)
    bits, position, end = as_words(extra), U(0), np.uint64(8 * len(extra))
    context_of = np.zeros(2 * classes + 2, np.uint8)
    high = 0
    for total in range(2 * classes + 1):
        if total + 1 >= 2 << high:
            high += 1
        half = ((total + 1) >> (high - 1)) & 1 if high > 0 else 0
        context_of[total] = min(2 * high + half, 15)
    previous, before = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    last = np.full(rows, -1, np.int64)
    read, lane, lanes, good = 0, 0, len(states), True
    for i in range(k):
        for row in range(rows):
            context = np.uint8(16)
            if i > 0:
                context = context_of[previous[row] + (before[row] if i > 1 else previous[row])]
            state = states[lane]
            symbol, state = step(state, lookup, context)
            if state < LOW:
                if read == len(words):
                    good = False
                    break
                state = (state << U(16)) | np.uint64(words[read])
                read += 1
            states[lane] = state
            lane += 1
            if lane == lanes:
                lane = 0
            token = np.uint8(symbol)
            if token == escape:
                if position + U(8) > end:
                    good = False
                    break
                token = np.uint8(take(bits, position, U(8)))
                position += U(8)
            width = WIDTHS[token]
            if position + width > end:
                good = False
                break
            gap = np.int64(BASES[token] + take(bits, position, width))
            position += width
            place = last[row] + gap + 1
            if place >= classes:
                good = False
                break
            positions[row, i] = place
            last[row] = place
            before[row] = previous[row]
            previous[row] = gap
        if not good:
            break
    good = good and (position + U(7)) >> U(3) == np.uint64(len(extra))
    return positions, 0 if good and closed(states, words, read) else 1


@njit(cache=True, nogil=True)
def _reciprocals(k: int) -> Any:
    """For n < 2^24 and d <= k <= 4096, n // d is n * reciprocals[d] >> 38."""
    reciprocals = np.zeros(k + 1, np.uint64)
    for d in range(1, k + 1):
        reciprocals[d] = (U(1) << U(38)) // np.uint64(d) + U(1)
    return reciprocals


@njit(inline="always")
def _bound(place: Any, reciprocal: Any) -> Any:
    """Where in 4096 a place among the remaining ones begins."""
    return ((np.uint64(place) << U(12)) * reciprocal) >> U(38)


@njit(cache=True, nogil=True)
def _has_ties(levels: Any, row: int) -> bool:
    tied = False
    for i in range(1, levels.shape[1]):
        tied |= levels[row, i] == levels[row, i - 1]
    return tied


@njit(cache=True, nogil=True)
def order_intervals(ranks: Any, levels: Any) -> Any:
    """Twin of `plain.order_intervals`."""
    rows, k = ranks.shape
    starts, freqs = np.zeros((rows, k), np.uint16), np.zeros((rows, k), np.uint16)
    reciprocals = _reciprocals(k)
    # without ties, a rank's place among the remaining ones is itself less the smaller ones gone;
    # all rows at once, so that the compiler makes vector instructions of it
    rank = np.ascontiguousarray(ranks.T.astype(np.int16))
    place = rank.copy()
    for i in range(k):
        for j in range(i):
            for row in range(rows):
                place[i, row] -= np.int16(rank[j, row] < rank[i, row])
    head, size, run_of = np.zeros(k, np.int64), np.zeros(k, np.int64), np.zeros(k, np.int64)
    for row in range(rows):
        tied, runs = _has_ties(levels, row), 0
        for i in range(k if tied else 0):
            if i == 0 or levels[row, i] != levels[row, i - 1]:
                head[runs], size[runs] = i, 0
                runs += 1
            size[runs - 1] += 1
            run_of[i] = runs - 1
        for i in range(k):
            low, count = np.int64(place[i, row]), np.int64(1)
            if tied:
                run = run_of[ranks[row, i]]
                low, count = head[run], size[run]
                size[run] -= 1
                for j in range(run + 1, runs):
                    head[j] -= 1
            start = _bound(low, reciprocals[k - i])
            starts[row, i] = start
            freqs[row, i] = _bound(low + count, reciprocals[k - i]) - start
    return starts.ravel(), freqs.ravel()


@njit(cache=True, nogil=True)
def order_decode(states: Any, words: Any, levels: Any, members: Any) -> Any:
    """Twin of `plain.order_decode`."""
    rows, k = levels.shape
    index = np.zeros((rows, k), np.int64)
    states = states.astype(np.uint64)
    reciprocals = _reciprocals(k)
    remaining, place = np.zeros(k, np.int64), np.zeros((k, rows), np.int16)
    read, lane, lanes = 0, 0, len(states)
    for row in range(rows):
        tied = _has_ties(levels, row)
        for i in range(k if tied else 0):
            remaining[i] = i
        for i in range(k):
            left = k - i
            state = states[lane]
            slot = state & MASK
            low = np.int64(((slot + U(1)) * np.uint64(left) - U(1)) >> U(12))
            high = low + 1
            if tied:
                level = levels[row, remaining[low]]
                while low > 0 and levels[row, remaining[low - 1]] == level:
                    low -= 1
                while high < left and levels[row, remaining[high]] == level:
                    high += 1
                index[row, remaining[low]] = members[row, i]
                for j in range(low, left - 1):
                    remaining[j] = remaining[j + 1]
            else:
                place[i, row] = low
            start = _bound(low, reciprocals[left])
            freq = _bound(high, reciprocals[left]) - start
            state = freq * (state >> U(12)) + slot - start
            if state < LOW:
                if read == len(words):
                    return index, 1
                state = (state << U(16)) | np.uint64(words[read])
                read += 1
            states[lane] = state
            lane += 1
            if lane == lanes:
                lane = 0
    for i in range(k - 1, -1, -1):  # from places to ranks, all rows at once; see order_intervals
        for j in range(i + 1, k):
            for row in range(rows):
                place[j, row] += np.int16(place[j, row] >= place[i, row])
    for row in range(rows):
        if _has_ties(levels, row):
            _sort_ties(index, levels, row)
        else:
            for i in range(k):
                index[row, place[i, row]] = members[row, i]
    return index, 0 if closed(states, words, read) else 1


@njit(cache=True, nogil=True)
def _sort_ties(index: Any, levels: Any, row: int) -> None:
    """Classes of equal level into rising order."""
    for i in range(1, levels.shape[1]):
        j = i
        while j > 0 and levels[row, j - 1] == levels[row, j] and index[row, j - 1] > index[row, j]:
            index[row, j - 1], index[row, j] = index[row, j], index[row, j - 1]
            j -= 1


@njit(cache=True, nogil=True)
def ranking_keys(bits: Any, width: int, shift: int, keys: Any) -> None:
    """Twin of `plain.ranking_keys`."""
    sign = U(1) << np.uint64(width - 1)
    rows, columns = bits.shape
    for row in range(rows):
        for column in range(columns):
            value = np.uint64(bits[row, column])
            if value < sign:
                value ^= sign - U(1)
            elif value == sign:
                value = sign - U(1)
            keys[row, column] = (value << np.uint64(shift)) | np.uint64(column)

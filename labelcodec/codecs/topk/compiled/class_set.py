"""Compiled kernels: class sets and ranking keys; documented in `reference`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from labelcodec.entropy.compiled.bitio import (
    BASES,
    LOW,
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
    """As `reference.set_decode`."""
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
            class_position = last[row] + gap + 1
            if class_position >= classes:
                good = False
                break
            positions[row, i] = class_position
            last[row] = class_position
            before[row] = previous[row]
            previous[row] = gap
        if not good:
            break
    good = good and (position + U(7)) >> U(3) == np.uint64(len(extra))
    return positions, 0 if good and closed(states, words, read) else 1


@njit(cache=True, nogil=True)
def ranking_keys(bits: Any, width: int, shift: int, keys: Any) -> None:
    """As `reference.ranking_keys`."""
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

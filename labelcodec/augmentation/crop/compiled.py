"""The crop stream's kernel, compiled with numba; documented in `reference`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from labelcodec.entropy.compiled.bitio import U, as_words, closed
from labelcodec.entropy.compiled.bits import unpack_digits
from labelcodec.entropy.compiled.rans import next_symbols, next_values, split_tokens


@njit(cache=True, nogil=True)
def box_decode(
    states: Any, words: Any, bits: Any, size: Any, height: Any, width: Any, tall: int, wide: int
) -> Any:
    """As `reference.box_decode`."""
    rows = len(size)
    box, room = np.zeros((rows, 4), np.int32), np.zeros(2 * rows, np.int64)
    contexts, symbols = np.zeros(rows, np.uint8), np.zeros(rows, np.uint8)
    heights, widths = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    states, extra, end = states.astype(np.uint64), as_words(bits), np.uint64(8 * len(bits))
    lane, read = next_symbols(states, 0, words, 0, height, contexts, symbols)
    position = next_values(symbols, tall, extra, U(0), end, heights)
    if read < 0 or position > end:
        return box, 1
    contexts = split_tokens(heights)[0]
    lane, read = next_symbols(states, lane, words, read, width, contexts, symbols)
    position = next_values(symbols, wide, extra, position, end, widths)
    if read < 0 or position > end or not closed(states, words, read):
        return box, 1
    for row in range(rows):
        room[2 * row] = size[row, 0] - heights[row] + 1
        room[2 * row + 1] = size[row, 1] - widths[row] + 1
        if min(room[2 * row], room[2 * row + 1], heights[row], widths[row]) < 1:
            return box, 2
        box[row, 2], box[row, 3] = heights[row], widths[row]
    first: Any = np.int64(position)
    offsets, status = unpack_digits(bits, first, room)
    for row in range(rows):
        box[row, 0], box[row, 1] = offsets[2 * row], offsets[2 * row + 1]
    return box, status

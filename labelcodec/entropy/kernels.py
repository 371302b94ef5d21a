"""The coders compiled with numba; see `plain` for what each function does and means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

U = np.uint64
ONE = U(1)
LOW = U(1 << 16)
MASK = U(4095)
UNKNOWN = np.int64(-(1 << 30))
GROUP_LIMIT = np.int64(1 << 62)
# extra bits and smallest value of each token; a token that cannot be has more bits than any data
_TOKENS = range(8, 124)
WIDTHS = np.array([0] * 8 + [(t - 8) // 4 + 1 for t in _TOKENS] + [1 << 60] * 132, np.uint64)
BASES = np.array(
    [*range(8)] + [(4 + t % 4) << (t - 8) // 4 + 1 for t in _TOKENS] + [0] * 132, np.uint64
)


@njit(cache=True, nogil=True)
def rans_encode(starts: Any, freqs: Any, lanes: int) -> Any:
    """Twin of `plain.rans_encode`."""
    states = np.full(lanes, LOW, np.uint64)
    words = np.empty(len(starts), np.uint16)
    used = len(starts)
    for i in range(len(starts) - 1, -1, -1):
        lane = i % lanes
        freq = np.uint64(freqs[i])
        state = states[lane]
        if state >= freq << U(20):
            used -= 1
            words[used] = np.uint16(state & U(0xFFFF))
            state >>= U(16)
        quotient = state // freq
        states[lane] = (quotient << U(12)) + np.uint64(starts[i]) + (state - quotient * freq)
    return states.astype(np.uint32), words[used:]


@njit(cache=True, nogil=True)
def _closed(states: Any, words: Any, read: int) -> bool:
    return read == len(words) and bool((states == LOW).all())


@njit(cache=True, nogil=True)
def _as_words(data: Any) -> Any:
    """Bytes as little-endian 64-bit words, one zero word behind them."""
    padded = np.zeros((len(data) // 8 + 2) * 8, np.uint8)
    padded[: len(data)] = data
    return padded.view(np.uint64)


@njit(inline="always")
def _take(data: Any, position: Any, width: Any) -> Any:
    """`width` (0..63) bits at bit `position` of 64-bit words; the caller checks the end."""
    word, offset = position >> U(6), position & U(63)
    upper = (data[word + ONE] << ONE) << (U(63) - offset)
    return ((data[word] >> offset) | upper) & ((ONE << width) - ONE)


@njit(cache=True, nogil=True)
def rans_decode(states: Any, words: Any, read: int, first: int, contexts: Any, lookup: Any) -> Any:
    """Twin of `plain.rans_decode`."""
    symbols = np.zeros(len(contexts), np.uint8)
    lanes = len(states)
    lane = first % lanes
    for i in range(len(contexts)):
        state = states[lane]
        entry = np.uint64(lookup[contexts[i], state & MASK])
        symbols[i] = entry & U(255)
        state = ((entry >> U(8) & MASK) + ONE) * (state >> U(12)) + (entry >> U(20))
        if state < LOW:
            if read == len(words):
                return symbols, -1
            state = (state << U(16)) | np.uint64(words[read])
            read += 1
        states[lane] = state
        lane += 1
        if lane == lanes:
            lane = 0
    return symbols, read


@njit(cache=True, nogil=True)
def extra_decode(tokens: Any, escape: int, data: Any, first: int) -> Any:
    """Twin of `plain.extra_decode`."""
    values = np.zeros(len(tokens), np.int64)
    bits, position, end = _as_words(data), np.uint64(first), np.uint64(8 * len(data))
    for i in range(len(tokens)):
        token = tokens[i]
        if token == escape:
            if position + U(8) > end:
                return values, -1
            token = np.uint8(_take(bits, position, U(8)))
            position += U(8)
        width = WIDTHS[token]
        if position + width > end:
            return values, -1
        values[i] = BASES[token] + _take(bits, position, width)
        position += width
    return values, np.int64(position)


@njit(cache=True, nogil=True)
def set_decode(
    states: Any, words: Any, extra: Any, rows: int, k: int, classes: int, lookup: Any, escape: int
) -> Any:
    """Twin of `plain.set_decode`."""
    positions = np.zeros((rows, k), np.int64)
    states = states.astype(np.uint64)
    bits, position, end = _as_words(extra), U(0), np.uint64(8 * len(extra))
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
            entry = np.uint64(lookup[context, state & MASK])
            state = ((entry >> U(8) & MASK) + ONE) * (state >> U(12)) + (entry >> U(20))
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
            token = np.uint8(entry & U(255))
            if token == escape:
                if position + U(8) > end:
                    good = False
                    break
                token = np.uint8(_take(bits, position, U(8)))
                position += U(8)
            width = WIDTHS[token]
            if position + width > end:
                good = False
                break
            gap = np.int64(BASES[token] + _take(bits, position, width))
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
    return positions, 0 if good and _closed(states, words, read) else 1


@njit(cache=True, nogil=True)
def order_intervals(ranks: Any, levels: Any) -> Any:
    """Twin of `plain.order_intervals`."""
    rows, k = ranks.shape
    starts, freqs = np.zeros((rows, k), np.uint16), np.zeros((rows, k), np.uint16)
    remaining = np.zeros(k, np.int64)
    for row in range(rows):
        for i in range(k):
            remaining[i] = levels[row, i]
        for i in range(k):
            left = k - i
            level = levels[row, ranks[row, i]]
            low = 0
            while remaining[low] != level:
                low += 1
            high = low + 1
            while high < left and remaining[high] == level:
                high += 1
            start = np.uint32(low << 12) // np.uint32(left)
            starts[row, i] = start
            freqs[row, i] = np.uint32(high << 12) // np.uint32(left) - start
            for j in range(low, left - 1):
                remaining[j] = remaining[j + 1]
    return starts.ravel(), freqs.ravel()


@njit(cache=True, nogil=True)
def order_decode(states: Any, words: Any, levels: Any, members: Any) -> Any:
    """Twin of `plain.order_decode`."""
    rows, k = levels.shape
    index = np.zeros((rows, k), np.int64)
    states = states.astype(np.uint64)
    level, remaining = np.zeros(k, np.int64), np.zeros(k, np.int32)
    read, lane, lanes = 0, 0, len(states)
    for row in range(rows):
        for i in range(k):
            level[i], remaining[i] = levels[row, i], i
        for i in range(k):
            left = k - i
            slot = states[lane] & MASK
            low = (np.int64(slot + ONE) * left - 1) >> 12
            high = low + 1
            here = level[remaining[low]]
            while low > 0 and level[remaining[low - 1]] == here:
                low -= 1
            while high < left and level[remaining[high]] == here:
                high += 1
            start = np.uint64(np.uint32(low << 12) // np.uint32(left))
            freq = np.uint64(np.uint32(high << 12) // np.uint32(left)) - start
            state = freq * (states[lane] >> U(12)) + slot - start
            if state < LOW:
                if read == len(words):
                    return index, 1
                state = (state << U(16)) | np.uint64(words[read])
                read += 1
            states[lane] = state
            lane += 1
            if lane == lanes:
                lane = 0
            index[row, remaining[low]] = members[row, i]
            for j in range(low, left - 1):
                remaining[j] = remaining[j + 1]
        for i in range(1, k):
            j = i
            while j > 0 and level[j - 1] == level[j] and index[row, j - 1] > index[row, j]:
                index[row, j - 1], index[row, j] = index[row, j], index[row, j - 1]
                j -= 1
    return index, 0 if _closed(states, words, read) else 1


@njit(cache=True, nogil=True)
def dense_contexts(high: Any, place_of: Any, mean: Any, base: int, last: int) -> Any:
    """Twin of `plain.dense_contexts`."""
    rows, classes = high.shape
    contexts = np.zeros((classes, rows), np.uint8)
    for row in range(rows):
        r1 = r2 = r3 = r4 = np.int64(0)
        for c in range(classes):
            centre = np.int64(mean[c])
            predicted = centre + ((10 * r1 + 5 * r2 + 3 * r3 + 2 * r4) >> 5)
            contexts[c, row] = min(max((predicted - base) >> 5, 0), last)
            place = np.int64(place_of[high[row, c]])
            r4, r3, r2 = r3, r2, r1
            r1 = np.int64(0) if place == UNKNOWN else place - centre
    return contexts


@njit(cache=True, nogil=True)
def dense_decode(
    states: Any,
    words: Any,
    rows: int,
    escapes: Any,
    known: Any,
    place_of: Any,
    mean: Any,
    base: int,
    lookup: Any,
    escape: int,
) -> Any:
    """Twin of `plain.dense_decode`."""
    classes, last = len(mean), len(lookup) - 1
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
            entry = np.uint64(lookup[context, state & MASK])
            state = ((entry >> U(8) & MASK) + ONE) * (state >> U(12)) + (entry >> U(20))
            if state < LOW:
                if read == len(words):
                    return high, 1
                state = (state << U(16)) | np.uint64(words[read])
                read += 1
            states[lane] = state
            symbol = np.int64(entry & U(255))
            if symbol == escape:
                if used == len(escapes):
                    return high, 1
                top = escapes[used]
                used += 1
            else:
                top = known[symbol]
            high[row, c] = top
            place = np.int64(place_of[top])
            history[row, 3], history[row, 2], history[row, 1] = r3, r2, r1
            history[row, 0] = 0 if place == UNKNOWN else place - centre
            lane += 1
            if lane == lanes:
                lane = 0
    return high, 0 if _closed(states, words, read) and used == len(escapes) else 1


@njit(cache=True, nogil=True)
def pack_bits(values: Any, widths: Any) -> Any:
    """Twin of `plain.pack_bits`."""
    total = np.int64(0)
    for width in widths:
        total += np.int64(width)
    data = np.zeros((total >> 6) + 2, np.uint64)
    position = U(0)
    for i in range(len(values)):
        width = np.uint64(widths[i])
        value = np.uint64(values[i]) & ((U(1) << width) - U(1))
        word, offset = position >> U(6), position & U(63)
        data[word] |= value << offset
        if offset + width > U(64):
            data[word + U(1)] |= value >> (U(64) - offset)
        position += width
    return data.view(np.uint8)[: (total + 7) >> 3]


@njit(cache=True, nogil=True)
def pack_fixed(values: Any, width: int) -> Any:
    """Twin of `plain.pack_fixed`."""
    data = np.zeros((len(values) * width >> 6) + 2, np.uint64)
    position, bits = np.uint64(0), np.uint64(width)
    for i in range(len(values)):
        value = np.uint64(values[i]) & ((ONE << bits) - ONE)
        word, offset = position >> U(6), position & U(63)
        data[word] |= value << offset
        if offset + bits > U(64):
            data[word + ONE] |= value >> (U(64) - offset)
        position += bits
    return data.view(np.uint8)[: (len(values) * width + 7) >> 3]


@njit(cache=True, nogil=True)
def unpack_fixed(data: Any, width: int, values: Any) -> None:
    """Twin of `plain.unpack_fixed`."""
    words = _as_words(data)
    position, bits = np.uint64(0), np.uint64(width)
    for i in range(len(values)):
        values[i] = _take(words, position, bits)
        position += bits


@njit(cache=True, nogil=True)
def permutation_digits(permutation: Any) -> Any:
    """Twin of `plain.permutation_digits`."""
    digits = np.zeros(len(permutation), np.int64)
    for i in range(len(permutation)):
        for j in range(i + 1, len(permutation)):
            if permutation[j] < permutation[i]:
                digits[i] += 1
    return digits


@njit(cache=True, nogil=True)
def permutation_from_digits(digits: Any) -> Any:
    """Twin of `plain.permutation_from_digits`."""
    n = len(digits)
    remaining = np.arange(n)
    permutation = np.zeros(n, np.int64)
    for i in range(n):
        digit = digits[i]
        permutation[i] = remaining[digit]
        for j in range(digit, n - i - 1):
            remaining[j] = remaining[j + 1]
    return permutation


@njit(cache=True, nogil=True)
def _next_group(radices: Any, first: int) -> Any:
    """Last + 1 digit of the group that starts at `first`, and its bits."""
    product, stop = np.int64(1), first
    while stop < len(radices) and product <= GROUP_LIMIT // radices[stop]:
        product *= radices[stop]
        stop += 1
    bits, top = 0, product - 1
    while top > 0:
        top >>= 1
        bits += 1
    return stop, bits


@njit(cache=True, nogil=True)
def group_digits(digits: Any, radices: Any) -> Any:
    """Twin of `plain.group_digits`."""
    values, widths = np.zeros(len(digits), np.uint64), np.zeros(len(digits), np.int64)
    groups, first = 0, 0
    while first < len(digits):
        stop, bits = _next_group(radices, first)
        value: Any = np.int64(0)
        for i in range(stop - 1, first - 1, -1):
            value = value * radices[i] + digits[i]
        values[groups], widths[groups] = np.uint64(value), bits
        groups += 1
        first = stop
    return values[:groups], widths[:groups]


@njit(cache=True, nogil=True)
def unpack_digits(data: Any, position: int, radices: Any) -> Any:
    """Twin of `plain.unpack_digits`."""
    digits = np.zeros(len(radices), np.int64)
    words = _as_words(data)
    first = 0
    while first < len(radices):
        stop, bits = _next_group(radices, first)
        if position + bits > 8 * len(data):
            return digits, 1
        value = np.int64(_take(words, np.uint64(position), np.uint64(bits)))
        position += bits
        for i in range(first, stop):
            digits[i] = value % radices[i]
            value //= radices[i]
        if value != 0:
            return digits, 1
        first = stop
    return digits, 0 if (position + 7) >> 3 == len(data) else 1

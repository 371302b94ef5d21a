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
    used, lane = len(starts), len(starts) % lanes
    for i in range(len(starts) - 1, -1, -1):
        lane = (lanes if lane == 0 else lane) - 1
        freq, state = np.uint64(freqs[i]), states[lane]
        if state >= freq << U(20):
            used -= 1
            words[used] = np.uint16(state & U(0xFFFF))
            state >>= U(16)
        quotient = np.uint64(np.uint32(state) // np.uint32(freq))  # states fit 32 bits
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
def split_tokens(values: Any) -> Any:
    """Twin of `plain.split_tokens`."""
    tokens, widths = np.zeros(len(values), np.uint8), np.zeros(len(values), np.uint8)
    extra = np.zeros(len(values), np.uint64)
    for i in range(len(values)):
        value = np.uint64(values[i])
        if value < U(8):
            tokens[i] = value
            continue
        width = U(1)
        while value >> width > U(7):
            width += U(1)
        tokens[i] = U(8) + ((width - U(1)) << U(2)) + ((value >> width) & U(3))
        widths[i] = width
        extra[i] = value & ((U(1) << width) - U(1))
    return tokens, widths, extra


@njit(cache=True, nogil=True)
def table_intervals(
    contexts: Any, symbols: Any, widths: Any, extra: Any, starts: Any, freqs: Any
) -> Any:
    """Twin of `plain.table_intervals`."""
    count, escape = len(symbols), freqs.shape[1] - 1
    start, freq = np.zeros(count, np.uint16), np.zeros(count, np.uint16)
    bits, wide = np.zeros(count, np.uint64), np.zeros(count, np.int64)
    for i in range(count):
        context, symbol = contexts[i], np.int64(symbols[i])
        bits[i], wide[i] = extra[i], widths[i]
        if symbol >= escape or freqs[context, symbol] == 0:
            bits[i] = np.uint64(symbol) | (extra[i] << U(8))
            wide[i] += 8
            symbol = escape
        start[i], freq[i] = starts[context, symbol], freqs[context, symbol]
    return start, freq, bits, wide


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
    good = good and (position + U(7)) >> U(3) == np.uint64(len(extra))
    return positions, 0 if good and _closed(states, words, read) else 1


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
    return index, 0 if _closed(states, words, read) else 1


@njit(cache=True, nogil=True)
def _sort_ties(index: Any, levels: Any, row: int) -> None:
    """Classes of equal level into rising order."""
    for i in range(1, levels.shape[1]):
        j = i
        while j > 0 and levels[row, j - 1] == levels[row, j] and index[row, j - 1] > index[row, j]:
            index[row, j - 1], index[row, j] = index[row, j], index[row, j - 1]
            j -= 1


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
def dense_intervals(
    high: Any, place_of: Any, mean: Any, base: int, symbol_of: Any, starts: Any, freqs: Any
) -> Any:
    """Twin of `plain.dense_intervals`."""
    rows, classes = high.shape
    last, escape = len(freqs) - 1, freqs.shape[1] - 1
    start = np.zeros((classes, rows), np.uint16)
    freq = np.zeros((classes, rows), np.uint16)
    escaped = np.zeros((classes, rows), np.bool_)
    history = np.zeros((4, rows), np.int64)
    for c in range(classes):
        centre = np.int64(mean[c])
        own, before1 = history[c & 3], history[(c + 3) & 3]
        before2, before3 = history[(c + 2) & 3], history[(c + 1) & 3]
        for row in range(rows):
            weighted = 10 * before1[row] + 5 * before2[row] + 3 * before3[row] + 2 * own[row]
            predicted = centre + (weighted >> 5)
            context = min(max((predicted - base) >> 5, 0), last)
            top = high[row, c]
            symbol = np.int64(symbol_of[top])
            if symbol == escape or freqs[context, symbol] == 0:
                symbol, escaped[c, row] = escape, True
            start[c, row], freq[c, row] = starts[context, symbol], freqs[context, symbol]
            place = np.int64(place_of[top])
            own[row] = np.int64(0) if place == UNKNOWN else place - centre
    return start.ravel(), freq.ravel(), escaped.ravel()


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

"""The coders in plain numpy: the readable twin of `kernels`, and the fallback without numba.

Every function here has a twin of the same name, arguments and bytes in `kernels`. Symbols are
coded in rows of `lanes`: symbol i belongs to lane i mod lanes, and each lane is one 32-bit rANS
state that takes 16-bit words from one shared sequence (SPEC, section 6.3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import tokens

Array = NDArray[Any]
LOW = 1 << 16
MASK = 4095


class Exhausted(Exception):
    """The words or extra bits end too early, or a decoded value is out of range."""


def rans_encode(starts: Array, freqs: Array, lanes: int) -> tuple[Array, Array]:
    """Encode intervals [start, start + freq) of 4096, last symbol first.

    Returns:
        (lanes,) uint32 final states and the uint16 words in the order the decoder reads them.
    """
    states = np.full(lanes, LOW, np.uint64)
    words: list[Array] = []
    n = len(starts)
    for first in reversed(range(0, n, lanes)):
        part = slice(first, min(first + lanes, n))
        start, freq = starts[part].astype(np.uint64), freqs[part].astype(np.uint64)
        state = states[: len(freq)]
        full = state >= freq << np.uint64(20)
        words.append((state[full] & np.uint64(0xFFFF)).astype(np.uint16))
        state = np.where(full, state >> np.uint64(16), state)
        states[: len(freq)] = ((state // freq) << np.uint64(12)) + start + state % freq
    stream = np.concatenate(words[::-1]) if words else np.zeros(0, np.uint16)
    return states.astype(np.uint32), stream


class _Lanes:
    """The decoder's states and its place in the words."""

    def __init__(self, states: Array, words: Array, read: int = 0, symbol: int = 0) -> None:
        self.states = states.astype(np.uint64)
        self.words = words
        self.read = read
        self.symbol = symbol

    def slots(self, n: int) -> Array:
        """Slots of the next n symbols, n at most the number of lanes."""
        return (self.states[self._lanes(n)] & np.uint64(MASK)).astype(np.int64)

    def advance(self, start: Array, freq: Array) -> None:
        """Consume the next symbols, whose intervals these are."""
        lane = self._lanes(len(start))
        state = self.states[lane]
        slot = state & np.uint64(MASK)
        state = freq.astype(np.uint64) * (state >> np.uint64(12)) + slot - start.astype(np.uint64)
        low = state < LOW
        fresh = self.words[self.read : self.read + int(low.sum())]
        if len(fresh) < low.sum():
            raise Exhausted
        state[low] = state[low] << np.uint64(16) | fresh.astype(np.uint64)
        self.states[lane] = state
        self.read += len(fresh)
        self.symbol += len(lane)

    def take(self, lookup: Array, contexts: Array) -> Array:
        """Symbols in these contexts, out of packed entries (`TableSet.lookup`)."""
        symbols = np.zeros(len(contexts), np.int64)
        for first in range(0, len(contexts), len(self.states)):
            context = contexts[first : first + len(self.states)]
            slot = self.slots(len(context))
            entry = lookup[context, slot].astype(np.int64)
            self.advance(slot - (entry >> 20), (entry >> 8 & MASK) + 1)
            symbols[first : first + len(context)] = entry & 255
        return symbols

    def close(self) -> None:
        """Everything was read and every state is back where the encoder started."""
        if self.read != len(self.words) or (self.states != LOW).any():
            raise Exhausted

    def _lanes(self, n: int) -> Array:
        return (self.symbol + np.arange(n)) % len(self.states)


class _Bits:
    """Reads extra bits, low bits first."""

    def __init__(self, data: Array, position: int = 0) -> None:
        self.bits = np.unpackbits(data, bitorder="little")
        self.position = position

    def take(self, width: int) -> int:
        end = self.position + width
        if end > len(self.bits):
            raise Exhausted
        value = int.from_bytes(
            np.packbits(self.bits[self.position : end], bitorder="little").tobytes(), "little"
        )
        self.position = end
        return value

    def value(self, token: int, escape: int) -> int:
        """The integer a token stands for, its extra bits read."""
        if token == escape:
            token = self.take(8)
        if token < 8:
            return token
        width = (token - 8) // 4 + 1
        if width > 29:
            raise Exhausted
        return ((4 + (token - 8) % 4) << width) + self.take(width)


def split_tokens(values: Array) -> tuple[Array, Array, Array]:
    """Tokens, widths and extra bits, as `tokens.split` without its checks."""
    return tokens.split(values)


def table_intervals(
    contexts: Array, symbols: Array, widths: Array, extra: Array, starts: Array, freqs: Array
) -> tuple[Array, Array, Array, Array]:
    """Starts, freqs, extra bits and widths (int64) of symbols; unseen ones are escaped.

    An escaped symbol is named by 8 extra bits before its own.
    """
    escape = freqs.shape[1] - 1
    escaped = (symbols >= escape) | (freqs[contexts, np.minimum(symbols, escape)] == 0)
    coded = np.where(escaped, escape, symbols)
    named = symbols.astype(np.uint64) | extra << np.uint64(8)
    return (
        starts[contexts, coded],
        freqs[contexts, coded],
        np.where(escaped, named, extra),
        widths.astype(np.int64) + 8 * escaped,
    )


def rans_decode(
    states: Array, words: Array, read: int, first: int, contexts: Array, lookup: Array
) -> tuple[Array, int]:
    """Symbols in contexts known beforehand.

    Args:
        states: (lanes,) uint64, changed in place.
        words: uint16.
        read: words already read.
        first: symbols already decoded.
        contexts: (n,) row of the table for each symbol.
        lookup: packed entries.

    Returns:
        (n,) uint8 symbols and the number of words read, -1 when they ran out.
    """
    lanes = _Lanes(states, words, read, first)
    try:
        symbols = lanes.take(lookup, contexts)
    except Exhausted:
        return np.zeros(len(contexts), np.uint8), -1
    states[:] = lanes.states
    return symbols.astype(np.uint8), lanes.read


def extra_decode(symbols: Array, escape: int, data: Array, first: int) -> tuple[Array, int]:
    """Values of tokens, their extra bits read from bit `first`.

    Returns:
        (n,) int64 values and the bit behind the last extra bit, -1 when they ran out.
    """
    values, bits = np.zeros(len(symbols), np.int64), _Bits(data, first)
    try:
        for i, token in enumerate(symbols.tolist()):
            values[i] = bits.value(token, escape)
    except Exhausted:
        return values, -1
    return values, bits.position


def set_decode(
    states: Array,
    words: Array,
    extra: Array,
    rows: int,
    k: int,
    classes: int,
    lookup: Array,
    escape: int,
) -> tuple[Array, int]:
    """Increasing positions (rows, k) in [0, classes) from gaps (SPEC, section 8.2)."""
    positions = np.zeros((rows, k), np.int64)
    last = np.full(rows, -1, np.int64)
    gaps = np.zeros((2, rows), np.int64)
    try:
        lanes, bits = _Lanes(states, words), _Bits(extra)
        for i in range(k):
            contexts = gap_contexts(gaps[0], gaps[min(i - 1, 1)]) if i else np.full(rows, 16)
            taken = lanes.take(lookup, contexts).tolist()
            gap = np.array([bits.value(token, escape) for token in taken], np.int64)
            last = last + gap + 1
            if (last >= classes).any():
                raise Exhausted
            positions[:, i] = last
            gaps = np.stack([gap, gaps[0]])
        lanes.close()
    except Exhausted:
        return positions, 1
    return positions, 0 if (bits.position + 7) // 8 == len(extra) else 1


def gap_contexts(previous: Array, before: Array) -> Array:
    """Context 0..15 of a gap from the two gaps before it: half-octaves of their sum."""
    total = previous + before + 1
    high = np.frexp(total)[1].astype(np.int64) - 1
    half = np.where(high > 0, (total >> np.maximum(high - 1, 0)) & 1, 0)
    contexts: Array = np.minimum(2 * high + half, 15)
    return contexts


def _run(levels: Array, remaining: list[int], at: int) -> tuple[int, int]:
    """First and last + 1 place in `remaining` of the ranks whose level equals that at `at`."""
    level = levels[remaining[at]]
    low = high = at
    while low > 0 and levels[remaining[low - 1]] == level:
        low -= 1
    while high < len(remaining) and levels[remaining[high]] == level:
        high += 1
    return low, high


def order_intervals(ranks: Array, levels: Array) -> tuple[Array, Array]:
    """Intervals that tell which level each set member has, given how many are left of each.

    Args:
        ranks: (B, k) rank of each set member, members in order of position.
        levels: (B, k) level of each rank; equal levels are not told apart.

    Returns:
        starts and freqs, uint16, (B * k,), row by row.
    """
    starts, freqs = [], []
    for row, level in zip(ranks.tolist(), levels, strict=True):
        remaining = list(range(len(row)))
        for rank in row:
            left = len(remaining)
            at = next(i for i in range(left) if level[remaining[i]] == level[rank])
            low, high = _run(level, remaining, at)
            starts.append(low * 4096 // left)
            freqs.append(high * 4096 // left - starts[-1])
            del remaining[low]
    return np.array(starts, np.uint16), np.array(freqs, np.uint16)


def order_decode(states: Array, words: Array, levels: Array, members: Array) -> tuple[Array, int]:
    """Classes (B, k) by rank, the inverse of `order_intervals`.

    Args:
        states: of the rANS part.
        words: of the rANS part.
        levels: (B, k) level of each rank.
        members: (B, k) classes of the set, in order of position.

    Returns:
        int64 classes, those of equal level in rising order, and a status (0 is good).
    """
    index = np.zeros(levels.shape, np.int64)
    try:
        lanes = _Lanes(states, words)
        for row, level in enumerate(levels):
            remaining = list(range(len(level)))
            for member in members[row]:
                left = len(remaining)
                at = ((int(lanes.slots(1)[0]) + 1) * left - 1) >> 12
                low, high = _run(level, remaining, at)
                start = low * 4096 // left
                lanes.advance(np.array([start]), np.array([high * 4096 // left - start]))
                index[row, remaining.pop(low)] = member
        lanes.close()
    except Exhausted:
        return index, 1
    by_class = np.lexsort((index, -levels), axis=1)
    return np.take_along_axis(index, by_class, axis=1), 0


def dense_contexts(high: Array, place_of: Array, mean: Array, base: int, last: int) -> Array:
    """Contexts (C, B) uint8 of high bits (B, C), from the four values before each.

    Args:
        high: (B, C) high bits, in the order of coding.
        place_of: fixed-point value of every pattern of high bits; UNKNOWN where there is none.
        mean: (C,) mean fixed-point value.
        base: prediction at which context 0 begins; a context is 32 wide.
        last: highest context.
    """
    place = place_of[high].astype(np.int64)
    residual = np.where(place == UNKNOWN, 0, place - mean).T
    before = np.pad(residual, ((4, 0), (0, 0)))
    count = len(mean)
    weighted = sum(w * before[3 - lag : 3 - lag + count] for lag, w in enumerate(WEIGHTS))
    predicted = mean[:, None] + (weighted >> 5)
    contexts: Array = np.clip((predicted - base) >> 5, 0, last).astype(np.uint8)
    return contexts


def dense_intervals(
    high: Array,
    place_of: Array,
    mean: Array,
    base: int,
    symbol_of: Array,
    starts: Array,
    freqs: Array,
) -> tuple[Array, Array, Array]:
    """Starts, freqs (uint16) and whether escaped, (C * B,), of high bits (B, C).

    Args:
        high: high bits, in the order of coding.
        place_of: as in `dense_contexts`.
        mean: as in `dense_contexts`.
        base: as in `dense_contexts`.
        symbol_of: symbol of every pattern of high bits; the escape's where there is none.
        starts: of the table set.
        freqs: of the table set.
    """
    contexts = dense_contexts(high, place_of, mean, base, len(freqs) - 1).ravel()
    symbols = symbol_of[high.T.ravel()]
    escaped = (symbols == freqs.shape[1] - 1) | (freqs[contexts, symbols] == 0)
    coded = np.where(escaped, freqs.shape[1] - 1, symbols)
    return starts[contexts, coded], freqs[contexts, coded], escaped


def dense_decode(
    states: Array,
    words: Array,
    rows: int,
    escapes: Array,
    known: Array,
    place_of: Array,
    mean: Array,
    base: int,
    lookup: Array,
    escape: int,
) -> tuple[Array, int]:
    """High bits (rows, C) uint16, each in the context its neighbours predict (SPEC, section 7).

    Args:
        states: of the rANS part.
        words: of the rANS part.
        rows: B.
        escapes: high bits of the escaped values, in the order of coding.
        known: (S - 1,) high bits of each symbol.
        place_of: as in `dense_contexts`.
        mean: as in `dense_contexts`.
        base: as in `dense_contexts`.
        lookup: packed entries of the table set.
        escape: its escape symbol.
    """
    classes = len(mean)
    high = np.zeros((rows, classes), np.uint16)
    history = np.zeros((4, rows), np.int64)
    used = 0
    try:
        lanes = _Lanes(states, words)
        for c in range(classes):
            centre = int(mean[c])
            predicted = centre + (np.array(WEIGHTS) @ history >> 5)
            contexts = np.clip((predicted - base) >> 5, 0, len(lookup) - 1)
            symbol = lanes.take(lookup, contexts)
            escaped = symbol == escape
            count = int(escaped.sum())
            if used + count > len(escapes):
                raise Exhausted
            column = np.append(known, 0)[symbol]
            column[escaped] = escapes[used : used + count]
            used += count
            high[:, c] = column
            place = place_of[column].astype(np.int64)
            residual = np.where(place == UNKNOWN, 0, place - centre)
            history = np.concatenate([residual[None], history[:3]])
        lanes.close()
    except Exhausted:
        return high, 1
    return high, 0 if used == len(escapes) else 1


WEIGHTS = (10, 5, 3, 2)  # of the values before, nearest first, in 32nds
UNKNOWN = -(1 << 30)


def ranking_keys(bits: Array, width: int, shift: int, keys: Array) -> None:
    """Into `keys`: floats' bits so that larger values come first, then the column's number.

    Args:
        bits: (B, C) of `width` bits, sign highest; -0 counts as 0.
        width: 16 or 32.
        shift: bits left for the column.
        keys: (B, C) unsigned.
    """
    wide, sign = bits.astype(np.int64), 1 << (width - 1)
    wide = np.where(wide == sign, 0, wide)
    inverted = np.where(wide & sign, wide, wide ^ (sign - 1))
    keys[:] = inverted << shift | np.arange(bits.shape[1])


def pack_bits(values: Array, widths: Array) -> Array:
    """Values one behind the other, low bits first; widths 0..63 bits. Returns uint8."""
    widths = widths.astype(np.int64)
    owner = np.repeat(np.arange(len(values)), widths)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(widths) - widths, widths)
    bits = (values.astype(np.uint64)[owner] >> place.astype(np.uint64)) & np.uint64(1)
    return np.packbits(bits.astype(np.uint8), bitorder="little")


def pack_fixed(values: Array, width: int) -> Array:
    """Values of `width` (0..62) bits each, low bits first. Returns uint8."""
    return pack_bits(values, np.full(len(values), width))


def unpack_fixed(data: Array, width: int, values: Array) -> None:
    """Inverse of `pack_fixed` into `values`; the caller has checked the length."""
    bits = np.unpackbits(data, count=len(values) * width, bitorder="little")
    place = np.uint64(1) << np.arange(width, dtype=np.uint64)
    values[:] = (bits.reshape(-1, width) * place).sum(axis=1) if width else 0


def permutation_digits(permutation: Array) -> Array:
    """Lehmer code: digit i counts the later entries that are smaller; int64."""
    n = len(permutation)
    return np.array([(permutation[i + 1 :] < permutation[i]).sum() for i in range(n)], np.int64)


def permutation_from_digits(digits: Array) -> Array:
    """Inverse of `permutation_digits`; digit i must lie in [0, n - i)."""
    remaining = list(range(len(digits)))
    return np.array([remaining.pop(digit) for digit in digits.tolist()], np.int64)


def _groups(radices: list[int]) -> list[tuple[int, int, int]]:
    """Runs of digits whose radices multiply to at most 2^62: first, last + 1, bits."""
    groups, first, product = [], 0, 1
    for i, radix in enumerate(radices):
        if product > GROUP_LIMIT // radix:
            groups.append((first, i, (product - 1).bit_length()))
            first, product = i, 1
        product *= radix
    if len(radices) > first:
        groups.append((first, len(radices), (product - 1).bit_length()))
    return groups


GROUP_LIMIT = 1 << 62


def group_digits(digits: Array, radices: Array) -> tuple[Array, Array]:
    """Mixed-radix numbers of groups of digits, first digit lowest, and their widths in bits."""
    values, widths = [], []
    digit, radix = digits.tolist(), radices.tolist()
    for first, stop, bits in _groups(radix):
        value = 0
        for i in reversed(range(first, stop)):
            value = value * radix[i] + digit[i]
        values.append(value)
        widths.append(bits)
    return np.array(values, np.uint64), np.array(widths, np.int64)


def unpack_digits(data: Array, position: int, radices: Array) -> tuple[Array, int]:
    """Inverse of `group_digits` from bit `position` to the end of the data.

    Returns:
        int64 digits and a status (0 is good).
    """
    digits = np.zeros(len(radices), np.int64)
    radix, bits = radices.tolist(), _Bits(data, position)
    try:
        for first, stop, width in _groups(radix):
            value = bits.take(width)
            for i in range(first, stop):
                value, digits[i] = divmod(value, radix[i])
            if value:
                return digits, 1
    except Exhausted:
        return digits, 1
    return digits, 0 if (bits.position + 7) // 8 == len(data) else 1

"""Compiled kernels: rANS with symbols from frequency tables; documented in `reference`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from labelcodec.entropy.compiled.bitio import BASES, LOW, WIDTHS, U, as_words, step, take


@njit(cache=True, nogil=True)
def rans_encode(starts: Any, freqs: Any, lanes: int) -> Any:
    """As `reference.rans_encode`."""
    states = np.full(lanes, LOW, np.uint64)
    words = np.empty(len(starts) + 1, np.uint16)
    used: Any = len(starts)
    lane = len(starts) % lanes
    for i in range(len(starts) - 1, -1, -1):
        lane = (lanes if lane == 0 else lane) - 1
        freq, state = np.uint64(freqs[i]), states[lane]
        words[used] = np.uint16(state & U(0xFFFF))  # kept only if `full`; avoids a branch
        full = np.uint64(state >= freq << U(20))
        used -= np.int64(full)
        state >>= full << U(4)
        quotient = np.uint64(np.uint32(state) // np.uint32(freq))  # states fit 32 bits
        states[lane] = (quotient << U(12)) + np.uint64(starts[i]) + (state - quotient * freq)
    return states.astype(np.uint32), words[used + 1 :]


@njit(cache=True, nogil=True)
def split_tokens(values: Any) -> Any:
    """As `reference.split_tokens`."""
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
    """As `reference.table_intervals`."""
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
def next_symbols(
    states: Any, lane: int, words: Any, read: int, lookup: Any, contexts: Any, symbols: Any
) -> Any:
    """Decode as many symbols as `symbols` holds, into it.

    Args:
        states: (lanes,) uint64 rANS states; they are updated.
        lane: lane of the first symbol.
        words: uint16 words of the part.
        read: number of words read before.
        lookup: first symbols, starts and frequencies of all contexts.
        contexts: context of each symbol.
        symbols: array that receives the symbols.

    Returns:
        The next lane and the number of words read, or -1 if the words run out.
    """
    lanes = len(states)
    for i in range(len(symbols)):
        state = states[lane]
        symbols[i], state = step(
            state, lookup, np.uint64(contexts[i])
        )  # unsigned: no check for negative indices
        if state < LOW:
            if read == len(words):
                return lane, -1
            state = (state << U(16)) | np.uint64(words[read])
            read += 1
        states[lane] = state
        lane += 1
        if lane == lanes:
            lane = 0
    return lane, read


@njit(cache=True, nogil=True)
def next_values(symbols: Any, escape: int, bits: Any, position: Any, end: Any, values: Any) -> Any:
    """Read the extra bits of tokens and fill `values`.

    Args:
        symbols: the decoded symbols.
        escape: symbol of the escape.
        bits: uint64 words of the extra bits.
        position: bit position of the first extra bit.
        end: bit position after the last one of the part.
        values: array that receives a value per symbol.

    Returns:
        The bit position after the last extra bit; past `end` if the bits run out.
    """
    high = np.uint8(0)
    for symbol in symbols:
        high = max(high, symbol)
    if high < min(escape, 8):  # the usual case: no token has extra bits
        for i in range(len(symbols)):
            values[i] = symbols[i]
        return position
    for i in range(len(symbols)):
        token = symbols[i]
        if token == escape:
            if position + U(8) > end:
                return end + U(1)
            token = np.uint8(take(bits, position, U(8)))
            position += U(8)
        width = WIDTHS[token]
        if position + width > end:
            return end + U(1)
        values[i] = BASES[token] + take(bits, position, width)
        position += width
    return position


@njit(cache=True, nogil=True)
def rans_decode(states: Any, words: Any, read: int, first: int, contexts: Any, lookup: Any) -> Any:
    """As `reference.rans_decode`."""
    symbols = np.zeros(len(contexts), np.uint8)
    _, read = next_symbols(states, first % len(states), words, read, lookup, contexts, symbols)
    return symbols, read


@njit(cache=True, nogil=True)
def extra_decode(tokens: Any, escape: int, data: Any, first: int) -> Any:
    """As `reference.extra_decode`."""
    values, end = np.zeros(len(tokens), np.int64), np.uint64(8 * len(data))
    position = next_values(tokens, escape, as_words(data), np.uint64(first), end, values)
    return values, -1 if position > end else np.int64(position)

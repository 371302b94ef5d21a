"""Reference kernels: rANS with symbols from frequency tables (SPEC, section 6.3)."""

from __future__ import annotations

import numpy as np

from labelcodec.entropy import tokens
from labelcodec.entropy.format import FIRST_STATE
from labelcodec.entropy.reference.lanes import Array, Bits, Exhausted, Lanes
from labelcodec.entropy.tables import Lookup


def rans_encode(starts: Array, freqs: Array, lanes: int) -> tuple[Array, Array]:
    """Encode intervals [start, start + freq) out of 4096, last symbol first.

    Args:
        starts: (n,) uint16 interval starts.
        freqs: (n,) uint16 interval lengths.
        lanes: number of lanes.

    Returns:
        (lanes,) uint32 final states, and the uint16 words in the order in which a decoder reads
        them.
    """
    states = np.full(lanes, FIRST_STATE, np.uint64)
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


def split_tokens(values: Array) -> tuple[Array, Array, Array]:
    """Tokens, widths and extra bits, as `tokens.split` without its range check."""
    return tokens.split(values)


def table_intervals(
    contexts: Array, symbols: Array, widths: Array, extra: Array, starts: Array, freqs: Array
) -> tuple[Array, Array, Array, Array]:
    """Intervals and extra bits of symbols; symbols of frequency 0 are escaped.

    An escaped symbol is named by 8 extra bits before its own.

    Args:
        contexts: (n,) row of the table set for each symbol.
        symbols: (n,) uint8 symbols.
        widths: (n,) number of extra bits.
        extra: (n,) extra bits.
        starts: (K, S) interval starts of the table set.
        freqs: (K, S) frequencies of the table set.

    Returns:
        (n,) starts, frequencies, extra bits and int64 widths.
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
    states: Array, words: Array, read: int, first: int, contexts: Array, lookup: Lookup
) -> tuple[Array, int]:
    """Decode symbols in contexts that are known beforehand.

    Args:
        states: (lanes,) uint64 states, modified in place.
        words: uint16 words.
        read: number of words already read.
        first: number of symbols already decoded.
        contexts: (n,) row of the table set for each symbol.
        lookup: decoding tables of the table set.

    Returns:
        (n,) uint8 symbols and the number of words read, or -1 if the words run out.
    """
    lanes = Lanes(states, words, read, first)
    try:
        symbols = lanes.take(lookup, contexts)
    except Exhausted:
        return np.zeros(len(contexts), np.uint8), -1
    states[:] = lanes.states
    return symbols.astype(np.uint8), lanes.read


def extra_decode(symbols: Array, escape: int, data: Array, first: int) -> tuple[Array, int]:
    """Read the extra bits of tokens.

    Args:
        symbols: (n,) tokens.
        escape: the escape symbol.
        data: uint8 bytes.
        first: bit at which to start.

    Returns:
        (n,) int64 values and the bit position after the last extra bit, or -1 if the bits run out.
    """
    values, bits = np.zeros(len(symbols), np.int64), Bits(data, first)
    try:
        for i, token in enumerate(symbols.tolist()):
            values[i] = bits.value(token, escape)
    except Exhausted:
        return values, -1
    return values, bits.position

"""Reference kernels: rANS with symbols from frequency tables (SPEC, section 6.3)."""

from __future__ import annotations

import numpy as np

from labelcodec.entropy import tokens
from labelcodec.entropy.format import FIRST_STATE
from labelcodec.entropy.reference.bits import pack_bits
from labelcodec.entropy.reference.lanes import Array, Bits, Exhausted, Lanes
from labelcodec.entropy.tables import Lookup


def rans_encode(intervals: Array, lanes: int) -> tuple[Array, Array]:
    """Encode intervals [start, start + freq) out of 4096, last symbol first.

    Args:
        intervals: (n,) uint32 start << 16 | freq.
        lanes: number of lanes, 1..32.

    Returns:
        (lanes,) uint32 final states, and the uint16 words in the order in which a decoder reads
        them.
    """
    states = np.full(lanes, FIRST_STATE, np.uint64)
    words: list[Array] = []
    n, starts, freqs = len(intervals), intervals >> 16, intervals & 0xFFFF
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


def split_tokens(values: Array) -> tuple[Array, Array]:
    """(n,) uint8 tokens of integers in 0..2^32 - 1, and (n,) uint8 numbers of extra bits."""
    return tokens.split(values)[:2]


def encode_values(
    values: Array, contexts: Array, packed: Array, lanes: int
) -> tuple[Array, Array, Array]:
    """Encode integers as tokens and extra bits; tokens of frequency 0 are escaped.

    An escaped token is named by 8 extra bits before its own.

    Args:
        values: (n,) integers in 0..2^32 - 1.
        contexts: (n,) row of the table set for each value.
        packed: (K, S) uint32 intervals of the table set.
        lanes: number of lanes, 1..32.

    Returns:
        (lanes,) uint32 states and uint16 words as in `rans_encode`, and the uint8 extra bits.

    Raises:
        ValueError: a value is out of range.
    """
    intervals, extra, widths = token_intervals(values, contexts, packed)
    return *rans_encode(intervals, lanes), pack_bits(extra, widths)


def token_intervals(values: Array, contexts: Array, packed: Array) -> tuple[Array, Array, Array]:
    """Intervals (n,), extra bits (n,) and their number (n,) of integers; see `encode_values`."""
    token, width, extra = tokens.split(values)
    escape = packed.shape[1] - 1
    escaped = (token >= escape) | (packed[contexts, np.minimum(token, escape)] & 0xFFFF == 0)
    named = token.astype(np.uint64) | extra << np.uint64(8)
    return (
        packed[contexts, np.where(escaped, escape, token)],
        np.where(escaped, named, extra),
        width.astype(np.int64) + 8 * escaped,
    )


def rans_decode(
    states: Array, words: Array, read: int, first: int, contexts: Array, lookup: Lookup
) -> tuple[Array, int]:
    """Decode symbols in contexts that are known beforehand.

    Args:
        states: (lanes,) uint32 states, modified in place.
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

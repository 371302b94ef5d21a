"""Shared building blocks of the compiled kernels: constants, bit reader, rANS step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from labelcodec.entropy.format import ALPHABET, DIRECT, FIRST_STATE, SLOTS
from labelcodec.entropy.tables import SKIP

U = np.uint64
LOW = U(FIRST_STATE)
MASK = U(SLOTS - 1)
SKIPPED = U(SKIP)
# Extra bits and smallest value of each token. An invalid token gets more bits than any data has,
# so that reading it fails.
_TOKENS = range(DIRECT, ALPHABET)
WIDTHS = np.array([0] * 8 + [(t - 8) // 4 + 1 for t in _TOKENS] + [1 << 60] * 132, np.uint64)
BASES = np.array(
    [*range(8)] + [(4 + t % 4) << (t - 8) // 4 + 1 for t in _TOKENS] + [0] * 132, np.uint64
)


@njit(cache=True, nogil=True)
def closed(states: Any, words: Any, read: int) -> bool:
    """Whether all words are read and every state is back at the encoder's initial state.

    Args:
        states: (lanes,) uint64 rANS states after the last symbol.
        words: (words,) uint16 words of the part.
        read: number of words read.
    """
    return read == len(words) and bool((states == LOW).all())


@njit(cache=True, nogil=True)
def as_words(data: Any) -> Any:
    """Bytes as little-endian 64-bit words, followed by at least one zero word."""
    padded = np.zeros((len(data) // 8 + 2) * 8, np.uint8)
    padded[: len(data)] = data
    return padded.view(np.uint64)


@njit(inline="always")
def take(data: Any, position: Any, width: Any) -> Any:
    """`width` (0..63) bits at bit `position`; the caller checks for the end of the data.

    Args:
        data: uint64 words, as `as_words` returns them.
        position: index of the first bit.
        width: number of bits, 0..63.
    """
    word, offset = position >> U(6), position & U(63)
    upper = (data[word + U(1)] << U(1)) << (U(63) - offset)
    return ((data[word] >> offset) | upper) & ((U(1) << width) - U(1))


@njit(inline="always")
def step(state: Any, lookup: Any, context: Any) -> Any:
    """The next symbol and the state after it, before renormalisation.

    Args:
        state: rANS state of a lane.
        lookup: first symbols, starts and frequencies of all contexts.
        context: context of the symbol.
    """
    slot = state & MASK
    first, starts, freqs = lookup
    symbol = np.uint64(first[context, slot >> SKIPPED])
    offset = slot - np.uint64(starts[context, symbol])
    freq = np.uint64(freqs[context, symbol])
    while offset >= freq:
        offset -= freq
        symbol += U(1)
        freq = np.uint64(freqs[context, symbol])
    return symbol, freq * (state >> U(12)) + offset

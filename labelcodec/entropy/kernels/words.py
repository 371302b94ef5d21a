"""What all kernels share: constants, the end of a stream, reading bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from labelcodec.entropy.tables import SKIP

U = np.uint64
LOW = U(1 << 16)
MASK = U(4095)
SKIPPED = U(SKIP)
# extra bits and smallest value of each token; a token that cannot be has more bits than any data
_TOKENS = range(8, 124)
WIDTHS = np.array([0] * 8 + [(t - 8) // 4 + 1 for t in _TOKENS] + [1 << 60] * 132, np.uint64)
BASES = np.array(
    [*range(8)] + [(4 + t % 4) << (t - 8) // 4 + 1 for t in _TOKENS] + [0] * 132, np.uint64
)


@njit(cache=True, nogil=True)
def closed(states: Any, words: Any, read: int) -> bool:
    """Whether everything is read and every state is back where the encoder started."""
    return read == len(words) and bool((states == LOW).all())


@njit(cache=True, nogil=True)
def as_words(data: Any) -> Any:
    """Bytes as little-endian 64-bit words, one zero word behind them."""
    padded = np.zeros((len(data) // 8 + 2) * 8, np.uint8)
    padded[: len(data)] = data
    return padded.view(np.uint64)


@njit(inline="always")
def take(data: Any, position: Any, width: Any) -> Any:
    """`width` (0..63) bits at bit `position` of 64-bit words; the caller checks the end."""
    word, offset = position >> U(6), position & U(63)
    upper = (data[word + U(1)] << U(1)) << (U(63) - offset)
    return ((data[word] >> offset) | upper) & ((U(1) << width) - U(1))


@njit(inline="always")
def step(state: Any, lookup: Any, context: Any) -> Any:
    """The next symbol and the state behind it, before it takes up a word."""
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

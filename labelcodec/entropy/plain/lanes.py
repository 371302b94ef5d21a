"""The decoder: lanes of rANS states over shared words, and a reader of bits (SPEC 6.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy.tables import SKIP, Lookup

Array = NDArray[Any]
LOW = 1 << 16
MASK = 4095


class Exhausted(Exception):
    """The words or extra bits end too early, or a decoded value is out of range."""


class Lanes:
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

    def take(self, lookup: Lookup, contexts: Array) -> Array:
        """Symbols in these contexts."""
        symbols, (nearest, starts, freqs) = np.zeros(len(contexts), np.int64), lookup
        for first in range(0, len(contexts), len(self.states)):
            context = contexts[first : first + len(self.states)]
            slot = self.slots(len(context))
            symbol = nearest[context, slot >> SKIP].astype(np.int64)
            while True:
                start, freq = starts[context, symbol], freqs[context, symbol]
                past = slot >= start.astype(np.int64) + freq
                if not past.any():
                    break
                symbol += past
            self.advance(start, freq)
            symbols[first : first + len(context)] = symbol
        return symbols

    def close(self) -> None:
        """Everything was read and every state is back where the encoder started."""
        if self.read != len(self.words) or (self.states != LOW).any():
            raise Exhausted

    def _lanes(self, n: int) -> Array:
        return (self.symbol + np.arange(n)) % len(self.states)


class Bits:
    """Reads extra bits, low bits first."""

    def __init__(self, data: Array, position: int = 0) -> None:
        self.bits = np.unpackbits(data, bitorder="little")
        self.position = position

    def take(self, width: int) -> int:
        """The integer in the next `width` bits."""
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

"""Reference decoder: lanes of rANS states over shared words, and a bit reader (SPEC 6.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import varint
from labelcodec.entropy.format import FIRST_STATE, SLOTS
from labelcodec.entropy.tables import Lookup
from labelcodec.errors import CorruptError

Array = NDArray[Any]
Buffer = bytes | memoryview
MASK = SLOTS - 1


class Exhausted(Exception):
    """The words or extra bits end too early, or a decoded value is out of range."""


def split_rans(data: Buffer, lanes: int) -> tuple[Array, Array]:
    """Split a rANS part into states and words.

    Raises:
        Exhausted: it is too short, or of odd length.
    """
    if len(data) < 4 * lanes or len(data) % 2:
        raise Exhausted
    return np.frombuffer(data, "<u4", lanes), np.frombuffer(data[4 * lanes :], "<u2")


def split_symbols(data: Buffer, lanes: int) -> tuple[Array, Array, Array]:
    """Split a coded part into states, words and extra bytes.

    Raises:
        Exhausted: the lengths do not fit the data.
    """
    try:
        rans, extra = varint.unframed(memoryview(data), "")
    except CorruptError:
        raise Exhausted from None
    return *split_rans(rans, lanes), np.frombuffer(extra, np.uint8)


class Lanes:
    """Decoder state: the lanes' states and the position in the words.

    Args:
        states: (lanes,) initial states.
        words: uint16 words.
        read: number of words already read.
        symbol: number of symbols already decoded.
    """

    def __init__(self, states: Array, words: Array, read: int = 0, symbol: int = 0) -> None:
        self.states = states.astype(np.uint64)
        self.words = words
        self.read = read
        self.symbol = symbol

    def slots(self, n: int) -> Array:
        """Slots of the next n symbols, n at most the number of lanes."""
        return (self.states[self._lanes(n)] & np.uint64(MASK)).astype(np.int64)

    def advance(self, start: Array, freq: Array) -> None:
        """Consume the next symbols, which own these intervals.

        Raises:
            Exhausted: the words run out.
        """
        lane = self._lanes(len(start))
        state = self.states[lane]
        slot = state & np.uint64(MASK)
        state = freq.astype(np.uint64) * (state >> np.uint64(12)) + slot - start.astype(np.uint64)
        low = state < FIRST_STATE
        fresh = self.words[self.read : self.read + int(low.sum())]
        if len(fresh) < low.sum():
            raise Exhausted
        state[low] = state[low] << np.uint64(16) | fresh.astype(np.uint64)
        self.states[lane] = state
        self.read += len(fresh)
        self.symbol += len(lane)

    def take(self, lookup: Lookup, contexts: Array) -> Array:
        """Decode the next symbols in these contexts.

        Raises:
            Exhausted: the words run out.
        """
        symbols, (owners, intervals) = np.zeros(len(contexts), np.int64), lookup
        for first in range(0, len(contexts), len(self.states)):
            context = contexts[first : first + len(self.states)]
            symbol = owners[context, self.slots(len(context))]
            interval = intervals[context, symbol]
            self.advance(interval >> 16, interval & 0xFFFF)
            symbols[first : first + len(context)] = symbol
        return symbols

    def close(self) -> None:
        """Check that all words are read and every state is back at the encoder's initial state.

        Raises:
            Exhausted: they are not.
        """
        if self.read != len(self.words) or (self.states != FIRST_STATE).any():
            raise Exhausted

    def _lanes(self, n: int) -> Array:
        """Lanes of the next n symbols."""
        return (self.symbol + np.arange(n)) % len(self.states)


class Bits:
    """Reads extra bits, lowest bit first.

    Args:
        data: uint8 bytes.
        position: bit at which to start.
    """

    def __init__(self, data: Array, position: int = 0) -> None:
        self.bits = np.unpackbits(data, bitorder="little")
        self.position = position

    def take(self, width: int) -> int:
        """The integer in the next `width` bits.

        Raises:
            Exhausted: the bits run out.
        """
        end = self.position + width
        if end > len(self.bits):
            raise Exhausted
        value = int.from_bytes(
            np.packbits(self.bits[self.position : end], bitorder="little").tobytes(), "little"
        )
        self.position = end
        return value

    def value(self, token: int, escape: int) -> int:
        """The integer that a token and its extra bits stand for.

        Raises:
            Exhausted: the bits run out, or the token is invalid.
        """
        if token == escape:
            token = self.take(8)
        if token < 8:
            return token
        width = (token - 8) // 4 + 1
        if width > 29:
            raise Exhausted
        return ((4 + (token - 8) % 4) << width) + self.take(width)

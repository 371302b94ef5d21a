"""Frequency tables, rANS, tokens and digits (SPEC, section 6)."""

from __future__ import annotations

import struct
from bisect import bisect_right

from .primitives import Bits, Bytes, Row, need


class Tables:
    """Frequencies by context, as the first slot of each symbol [E-3]."""

    def __init__(self, data: bytes, wanted: int | None = None) -> None:
        source = Bytes(data)
        contexts, symbols = source.varint(), source.varint()
        need(1 <= contexts <= 1024 and 1 <= symbols <= 256, "E-3")
        need(wanted in (None, contexts), "S-3")
        self.escape = symbols - 1
        self.starts: list[Row] = []
        for _ in range(contexts):
            first, length = source.varint(), source.varint()
            need(first + length <= self.escape, "E-4")
            freqs = [0] * first + [source.varint() for _ in range(length)]
            need(sum(freqs) <= 4095, "E-4")
            freqs += [0] * (self.escape - len(freqs))
            self.starts.append([sum(freqs[:i]) for i in range(symbols)] + [4096])
        source.close()


class Rans:
    """States and words of one rANS part [E-5 to E-9]."""

    def __init__(self, data: bytes, symbols: int) -> None:
        lanes = 1
        while 2 * lanes <= min(symbols // 1024, 32):
            lanes *= 2
        source = Bytes(data)
        self.states: Row = list(source.unpack(f"{lanes}I"))
        words = source.rest()
        need(len(words) % 2 == 0, "E-5")
        self.words = struct.unpack(f"<{len(words) // 2}H", words)
        self.lane = self.read = 0

    def slot(self) -> int:
        """The low 12 bits of the current lane."""
        return self.states[self.lane] & 4095

    def advance(self, start: int, freq: int) -> None:
        """Consume a symbol [E-7, E-8]."""
        state = freq * (self.states[self.lane] >> 12) + self.slot() - start
        if state < 1 << 16:
            need(self.read < len(self.words), "E-8")
            state = state << 16 | self.words[self.read]
            self.read += 1
        self.states[self.lane] = state
        self.lane = (self.lane + 1) % len(self.states)

    def symbol(self, table: Tables, context: int) -> int:
        """The next symbol [E-6]."""
        starts = table.starts[context]
        symbol = bisect_right(starts, self.slot()) - 1
        self.advance(starts[symbol], starts[symbol + 1] - starts[symbol])
        return symbol

    def close(self) -> None:
        """Everything was read."""
        need(self.read == len(self.words) and set(self.states) == {1 << 16}, "E-9")


def value_of(token: int, escape: int, bits: Bits) -> int:
    """The integer a token stands for [E-1, E-2]."""
    if token == escape:
        token = bits.take(8)
    need(token < 124, "E-1")
    if token < 8:
        return token
    width = (token - 8) // 4 + 1
    return (4 + (token - 8) % 4 << width) + bits.take(width)


def token_of(value: int) -> int:
    """The token of an integer [E-1]."""
    if value < 8:
        return value
    high = value.bit_length() - 1
    return 8 + 4 * (high - 3) + (value >> high - 2 & 3)


def half_octave(value: int) -> int:
    """Number of the half-octave an integer lies in [E-11]."""
    high = value.bit_length() - 1
    return 2 * high + (value >> high - 1 & 1) if high else 0


class Coded:
    """A coded part: rANS part and extra bits [E-10]."""

    def __init__(self, data: bytes, symbols: int) -> None:
        source = Bytes(data)
        self.rans = Rans(source.take(source.varint()), symbols)
        self.bits = Bits(source.rest())

    def take(self, table: Tables, contexts: Row) -> Row:
        """Values whose tokens stand in these contexts: all tokens, then all extra bits."""
        tokens = [self.rans.symbol(table, context) for context in contexts]
        return [value_of(token, table.escape, self.bits) for token in tokens]

    def close(self) -> None:
        """Everything was read."""
        self.rans.close()
        self.bits.close()


def digits(bits: Bits, radices: Row) -> Row:
    """Mixed-radix digits [E-12, E-13]."""
    out: Row = []
    while len(out) < len(radices):
        first, product = len(out), 1
        stop = first
        while stop < len(radices) and product * radices[stop] <= 1 << 62:
            product *= radices[stop]
            stop += 1
        value = bits.take((product - 1).bit_length())
        for radix in radices[first:stop]:
            value, digit = divmod(value, radix)
            out.append(digit)
        need(value == 0, "E-13")
    return out

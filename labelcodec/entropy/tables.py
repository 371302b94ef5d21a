"""Static frequency tables: fitting, serialization, lookup (SPEC, section 6.2).

A table set has one row per context. The frequencies of a row sum to 4096. The last symbol of
every row is the escape: a symbol that fitting never saw is coded as an escape and named in
extra bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import varint
from labelcodec.entropy.format import SLOTS
from labelcodec.errors import CorruptError

MAX_CONTEXTS = 1 << 10
MAX_SYMBOLS = 1 << 8


_FREQUENCIES = [varint.encode(freq) for freq in range(SLOTS + 1)]

Lookup = tuple[NDArray[np.uint8], NDArray[np.uint32]]
"""Decoding tables: (K, 4096) symbol that owns each slot, and the (K, S) packed intervals."""


@dataclass(frozen=True, eq=False)
class TableSet:
    """Frequency tables of K contexts over S symbols.

    Attributes:
        freqs: (K, S) uint16 frequencies. Each row sums to 4096; the escape is last.
    """

    freqs: NDArray[np.uint16]

    @property
    def escape(self) -> int:
        """The escape symbol, S - 1."""
        return int(self.freqs.shape[1]) - 1

    @cached_property
    def starts(self) -> NDArray[np.uint16]:
        """(K, S) uint16 first slot of each symbol."""
        ends = np.cumsum(self.freqs, axis=1, dtype=np.int64)
        return (ends - self.freqs).astype(np.uint16)

    @cached_property
    def packed(self) -> NDArray[np.uint32]:
        """(K, S) interval of each symbol: its first slot << 16 | its number of slots."""
        starts: NDArray[np.uint32] = self.starts.astype(np.uint32) << np.uint32(16)
        return starts | self.freqs

    @cached_property
    def lookup(self) -> Lookup:
        """Tables from which decoders find symbols."""
        contexts, symbols = self.freqs.shape
        names = np.tile(np.arange(symbols, dtype=np.uint8), contexts)
        return np.repeat(names, self.freqs.ravel()).reshape(contexts, SLOTS), self.packed


def fit(counts: NDArray[np.int64]) -> TableSet:
    """Fit frequencies to symbol counts; an escape is added as the last symbol.

    Args:
        counts: (K, S - 1) int64 occurrences of each symbol in each context.
    """
    freqs = np.zeros((len(counts), counts.shape[1] + 1), np.uint16)
    freqs[:, -1] = SLOTS
    rows = np.flatnonzero(counts.any(axis=1))
    if len(rows):
        freqs[rows, :-1] = _normalise(counts[rows])
        freqs[rows, -1] = 1
    return TableSet(freqs)


def _normalise(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Scale rows to sums of 4095, the escape's share left out: at least 1 for symbols that occur.

    Args:
        counts: (K, S) occurrences, some in each row.
    """
    room = SLOTS - 1
    exact = counts * (room / counts.sum(axis=1, keepdims=True))
    freqs = np.where(counts > 0, np.maximum(np.floor(exact), 1), 0).astype(np.int64)
    while len(rows := np.flatnonzero(freqs.sum(axis=1) != room)):
        # the symbol whose code length changes least per unit of probability
        old, left = freqs[rows], room - freqs[rows].sum(axis=1, keepdims=True)
        step = np.sign(left)
        movable = (counts[rows] > 0) & ((old > 1) | (step > 0))
        gain = np.where(movable, step * (exact[rows] - old) / np.maximum(old, 1), -np.inf)
        order = np.argsort(-gain, axis=1, kind="stable")
        most = np.minimum(np.abs(left), movable.sum(axis=1, keepdims=True))
        moves = step * (np.arange(counts.shape[1]) < most)
        np.put_along_axis(old, order, np.take_along_axis(old, order, axis=1) + moves, axis=1)
        freqs[rows] = old
    return freqs


def to_bytes(tables: TableSet) -> bytes:
    """Serialize a table set: K, S, then first symbol, length and frequencies of each row."""
    contexts, symbols = tables.freqs.shape
    out = bytearray(varint.encode(contexts) + varint.encode(symbols))
    used = tables.freqs > 0
    used[:, -1] = False  # the escape is what is left to 4096
    first = used.argmax(axis=1)
    stop = np.where(used.any(axis=1), used.shape[1] - used[:, ::-1].argmax(axis=1), 0)
    for i, j, row in zip(first.tolist(), stop.tolist(), tables.freqs.tolist(), strict=True):
        out += varint.encode(i) + varint.encode(j - i)
        out += b"".join(_FREQUENCIES[freq] for freq in row[i:j])
    return bytes(out)


def from_bytes(data: bytes) -> TableSet:
    """Deserialize what `to_bytes` wrote; the escape's frequency is the remainder to 4096.

    Raises:
        CorruptError: sizes out of range, or a row that leaves nothing for the escape.
    """
    contexts, position = varint.decode(data, 0)
    symbols, position = varint.decode(data, position)
    if not (0 < contexts <= MAX_CONTEXTS and 0 < symbols <= MAX_SYMBOLS):
        raise CorruptError(f"frequency tables of {contexts} contexts and {symbols} symbols")
    freqs = np.zeros((contexts, symbols), np.uint16)
    for context in range(contexts):
        first, position = varint.decode(data, position)
        length, position = varint.decode(data, position)
        if first + length > symbols - 1:
            raise CorruptError(f"frequency table {context} names a symbol past its alphabet")
        left = SLOTS
        for symbol in range(first, first + length):
            freq, position = varint.decode(data, position)
            left -= freq
            if left < 1:
                raise CorruptError(f"frequency table {context} sums to more than {SLOTS - 1}")
            freqs[context, symbol] = freq
        freqs[context, -1] = left
    if position != len(data):
        raise CorruptError(f"{len(data) - position} bytes too many behind frequency tables")
    return TableSet(freqs)

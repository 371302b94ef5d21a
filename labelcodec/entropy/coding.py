"""Entropy-coded integer arrays: the streams that codecs are made of (SPEC, section 6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import tables as _tables
from labelcodec.entropy import varint
from labelcodec.entropy.backend import coders
from labelcodec.entropy.format import (
    ALPHABET,
    FIRST_STATE,
    MAX_INTEGER,
    MAX_LANES,
    SYMBOLS_PER_LANE,
)
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError

STATE, WORD = np.dtype("<u4"), np.dtype("<u2")


@dataclass(frozen=True, eq=False)
class Symbols:
    """Symbols to be counted, with their contexts; all arrays are (n,).

    Attributes:
        contexts: row of the table set, any integer type.
        symbols: uint8 symbols.
        widths: uint8 number of extra bits per symbol.
    """

    contexts: NDArray[Any]
    symbols: NDArray[np.uint8]
    widths: NDArray[np.uint8]

    def counts(self, contexts: int, symbols: int) -> NDArray[np.int64]:
        """How often each symbol occurs in each context.

        Args:
            contexts: number of contexts, K.
            symbols: size of the alphabet, S.

        Returns:
            (K, S) int64 counts.
        """
        flat = self.contexts.astype(np.int64) * symbols + self.symbols
        return np.bincount(flat, minlength=contexts * symbols).reshape(contexts, symbols)


@dataclass(frozen=True)
class Usage:
    """Contents of an entropy-coded stream, to be added up over batches.

    Attributes:
        tables: symbol counts by context, one (K, S) array per table set.
        fixed_bits: bits that no table models: extra bits and enumerated choices.
        coded_bytes: size of the stream in bytes.
    """

    tables: tuple[NDArray[np.int64], ...]
    fixed_bits: float
    coded_bytes: int


def concatenate(parts: Sequence[Symbols]) -> Symbols:
    """The symbols of one or more streams, one after another."""
    columns = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("contexts", "symbols", "widths")
    )
    return Symbols(*columns)


def tokenise(values: NDArray[Any], contexts: NDArray[Any]) -> Symbols:
    """Convert integers to token symbols.

    Args:
        values: integers in 0..2^32 - 1, any shape; flattened in C order.
        contexts: the context of each value, same size.

    Raises:
        ValueError: a value is out of range.
    """
    flat = values.astype(np.int64, copy=False).ravel()
    if flat.size and (flat.min() < 0 or flat.max() >= MAX_INTEGER):
        raise ValueError("tokens are for integers in 0..2^32-1")
    token, width = coders().split_tokens(flat)
    return Symbols(contexts.ravel(), token, width)


@lru_cache  # batches of a file have few sizes
def lanes_for(symbols: int) -> int:
    """Number of rANS lanes: the largest power of two at most symbols / 1024, within 1..32."""
    lanes = min(max(symbols // SYMBOLS_PER_LANE, 1), MAX_LANES)
    return 1 << (lanes.bit_length() - 1)


def encode_intervals(intervals: NDArray[np.uint32]) -> bytes:
    """Encode symbols given as intervals to a rANS part (SPEC, section 6.3).

    Args:
        intervals: (n,) uint32 interval start << 16 | interval length, out of 4096.
    """
    return join_rans(*coders().rans_encode(intervals, lanes_for(len(intervals))))


def join_rans(states: NDArray[np.uint32], words: NDArray[np.uint16]) -> bytes:
    """A rANS part from the encoder's final states and its words."""
    return b"".join((states.astype(STATE, copy=False).data, words.astype(WORD, copy=False).data))


def join_symbols(
    states: NDArray[np.uint32], words: NDArray[np.uint16], bits: NDArray[np.uint8]
) -> bytes:
    """A coded part: length of the rANS part, rANS part, extra bits."""
    return varint.framed(join_rans(states, words)) + bits.tobytes()


def encode_values(values: NDArray[Any], contexts: NDArray[Any], table: TableSet) -> bytes:
    """Encode integers to a coded part; tokens that the table has never seen are escaped.

    Args:
        values: (n,) integers in 0..2^32 - 1.
        contexts: (n,) context of each value.
        table: the table set.

    Raises:
        ValueError: a value is out of range.
    """
    return join_symbols(
        *coders().encode_values(values, contexts, table.packed, lanes_for(len(values)))
    )


def split_rans(data: memoryview, symbols: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Split a rANS part of `symbols` symbols into states and words.

    Raises:
        CorruptError: the part is too short or of odd length.
    """
    lanes = lanes_for(symbols)
    if len(data) < 4 * lanes or len(data) % 2:
        raise CorruptError(f"an entropy-coded part of {len(data)} bytes has no whole words")
    return np.frombuffer(data, STATE, lanes), np.frombuffer(data[4 * lanes :], WORD)


def split_symbols(
    data: memoryview, symbols: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.uint8]]:
    """Split what `encode_values` wrote into states, words and extra bytes.

    Raises:
        CorruptError: the lengths do not fit the data.
    """
    length, position = varint.decode(data, 0)
    if length > len(data) - position:
        raise CorruptError("an entropy-coded part is longer than its stream")
    states, words = split_rans(data[position : position + length], symbols)
    return states, words, np.frombuffer(data[position + length :], np.uint8)


def good(result: tuple[NDArray[Any], int], what: str) -> NDArray[Any]:
    """The decoded array of a kernel's result.

    Args:
        result: the array, and a status that is 0 for success.
        what: name of the values in the error message.

    Raises:
        CorruptError: the status reports a malformed stream.
    """
    values, status = result
    if status:
        raise CorruptError(f"the entropy-coded {what} do not decode")
    return values


class SymbolReader:
    """Decodes a coded part piece by piece, for contexts that depend on earlier values."""

    def __init__(self, data: memoryview, symbols: int, what: str) -> None:
        """Start reading what `encode_values` wrote.

        Args:
            data: the coded part.
            symbols: number of symbols in it.
            what: name of the values in error messages.

        Raises:
            CorruptError: the lengths do not fit the data.
        """
        states, self.words, self.bits = split_symbols(data, symbols)
        self.states, self.what = states.copy(), what
        self.read = self.symbol = self.position = 0

    def take(self, contexts: NDArray[Any], table: TableSet) -> NDArray[np.int64]:
        """Decode the next values.

        Args:
            contexts: (n,) context of each value.
            table: the table set.

        Raises:
            CorruptError: the part ends too early.
        """
        tokens, self.read = coders().rans_decode(
            self.states, self.words, self.read, self.symbol, contexts, table.lookup
        )
        values: NDArray[np.int64]
        values, self.position = coders().extra_decode(
            tokens, table.escape, self.bits, self.position
        )
        if self.read < 0 or self.position < 0:
            raise CorruptError(f"the entropy-coded {self.what} end too early")
        self.symbol += len(contexts)
        return values

    def close(self) -> None:
        """Check that all words are read and every lane is back at its first state.

        Raises:
            CorruptError: they are not.
        """
        if self.read != len(self.words) or (self.states != FIRST_STATE).any():
            raise CorruptError(f"the entropy-coded {self.what} do not decode")

    def finish(self) -> None:
        """Close a part that ends with its extra bits.

        Raises:
            CorruptError: the part is malformed or longer than its values.
        """
        self.close()
        if (self.position + 7) // 8 != len(self.bits):
            raise CorruptError(f"bytes too many behind the {self.what}")


def decode_values(
    data: memoryview, contexts: NDArray[Any], table: TableSet, what: str
) -> NDArray[np.int64]:
    """Decode what `encode_values(values, contexts, table)` wrote.

    Args:
        data: the coded part.
        contexts: (n,) context of each value.
        table: the table set.
        what: name of the values in error messages.

    Raises:
        CorruptError: the part is malformed.
    """
    reader = SymbolReader(data, len(contexts), what)
    values = reader.take(contexts, table)
    reader.finish()
    return values


def fit_tables(samples: list[Symbols], contexts: int, symbols: int = ALPHABET) -> TableSet:
    """Fit a table set to the symbols of all samples.

    Args:
        samples: symbols, for example one element per batch.
        contexts: number of contexts, K.
        symbols: size of the alphabet, without the escape.
    """
    total = np.zeros((contexts, symbols), np.int64)
    for sample in samples:
        total += sample.counts(contexts, symbols)
    return _tables.fit(total)


def usage(symbols: Symbols, contexts: int, alphabet: int, coded_bytes: int) -> Usage:
    """Usage of a stream whose symbols all come from one table set.

    Args:
        symbols: the symbols of the stream.
        contexts: number of contexts, K.
        alphabet: size of the alphabet.
        coded_bytes: size of the stream in bytes.
    """
    return Usage(
        (symbols.counts(contexts, alphabet),), float(symbols.widths.sum(dtype=int)), coded_bytes
    )

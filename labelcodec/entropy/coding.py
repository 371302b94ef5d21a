"""Integer arrays to bytes and back: the streams that codecs are made of (SPEC, section 6.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import tables as _tables
from labelcodec.entropy import tokens, varint
from labelcodec.entropy.backend import coders
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError

MAX_LANES = 32
FIRST_STATE = np.uint64(1 << 16)
STATE, WORD = np.dtype("<u4"), np.dtype("<u2")
SYMBOLS_PER_LANE = 1024  # a lane costs 2 bytes


@dataclass(frozen=True, eq=False)
class Symbols:
    """Symbols to be entropy-coded, with their contexts; both (n,), in coding order.

    Attributes:
        contexts: row of the table set, any integer type.
        symbols: uint8.
        widths: uint8 number of extra bits of each symbol.
        extra: uint64 extra bits.
    """

    contexts: NDArray[Any]
    symbols: NDArray[np.uint8]
    widths: NDArray[np.uint8]
    extra: NDArray[np.uint64]

    def counts(self, contexts: int, symbols: int) -> NDArray[np.int64]:
        """(contexts, symbols) how often each symbol occurs in each context."""
        flat = self.contexts.astype(np.int64) * symbols + self.symbols
        return np.bincount(flat, minlength=contexts * symbols).reshape(contexts, symbols)


@dataclass(frozen=True)
class Usage:
    """What an entropy-coded stream holds, to be added up over batches.

    Attributes:
        tables: symbol counts by context, one (K, S) array a table set.
        fixed_bits: bits that no table models (extra bits, enumerated choices).
        coded_bytes: bytes the stream takes.
    """

    tables: tuple[NDArray[np.int64], ...]
    fixed_bits: float
    coded_bytes: int


def tokenise(values: NDArray[Any], contexts: NDArray[Any]) -> Symbols:
    """Token symbols of non-negative integers below 2^32; flattens in C order."""
    flat = values.astype(np.int64, copy=False).ravel()
    if flat.size and (flat.min() < 0 or flat.max() >= tokens.LIMIT):
        raise ValueError("tokens are for integers in 0..2^32-1")
    token, width, extra = coders().split_tokens(flat)
    return Symbols(contexts.ravel(), token, width, extra)


def lanes_for(symbols: int) -> int:
    """Number of rANS lanes: the largest power of two at most symbols / 1024, within 1..32."""
    lanes = min(max(symbols // SYMBOLS_PER_LANE, 1), MAX_LANES)
    return 1 << (lanes.bit_length() - 1)


def encode_intervals(starts: NDArray[np.uint16], freqs: NDArray[np.uint16]) -> bytes:
    """States and words of the intervals [start, start + freq) out of 4096."""
    states, words = coders().rans_encode(starts, freqs, lanes_for(len(starts)))
    return bytes(states.astype("<u4").tobytes() + words.astype("<u2").tobytes())


def code_symbols(
    symbols: Symbols, table: TableSet
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint64], NDArray[np.int64]]:
    """Intervals (start, freq) and extra bits (values, widths). Unseen symbols are escaped."""
    starts, freqs, extra, widths = coders().table_intervals(
        symbols.contexts, symbols.symbols, symbols.widths, symbols.extra, table.starts, table.freqs
    )
    return starts, freqs, extra, widths


def encode_symbols(symbols: Symbols, table: TableSet) -> bytes:
    """Length of the rANS part, rANS part, extra bits."""
    starts, freqs, extra, widths = code_symbols(symbols, table)
    rans = encode_intervals(starts, freqs)
    return varint.encode(len(rans)) + rans + bytes(coders().pack_bits(extra, widths).tobytes())


def split_rans(data: memoryview, symbols: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """States and words of a rANS part that holds `symbols` symbols.

    Raises:
        CorruptError: it is too short or of odd length.
    """
    lanes = lanes_for(symbols)
    if len(data) < 4 * lanes or len(data) % 2:
        raise CorruptError(f"an entropy-coded part of {len(data)} bytes has no whole words")
    return np.frombuffer(data, STATE, lanes), np.frombuffer(data[4 * lanes :], WORD)


def split_symbols(
    data: memoryview, symbols: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.uint8]]:
    """States, words and extra bytes of what `encode_symbols` wrote.

    Raises:
        CorruptError: the lengths do not fit the data.
    """
    length, position = varint.decode(data, 0)
    if length > len(data) - position:
        raise CorruptError("an entropy-coded part is longer than its stream")
    states, words = split_rans(data[position : position + length], symbols)
    return states, words, np.frombuffer(data[position + length :], np.uint8)


def good(result: tuple[NDArray[Any], int], what: str) -> NDArray[Any]:
    """The decoded array, or CorruptError when the coder's status is bad."""
    values, status = result
    if status:
        raise CorruptError(f"the entropy-coded {what} do not decode")
    return values


class SymbolReader:
    """Reads symbols part by part, where later contexts depend on earlier values."""

    def __init__(self, data: memoryview, symbols: int, what: str) -> None:
        """Take what `encode_symbols` wrote.

        Args:
            data: the stream.
            symbols: how many symbols it holds in all.
            what: their name, for error messages.

        Raises:
            CorruptError: the lengths do not fit the data.
        """
        states, self.words, self.bits = split_symbols(data, symbols)
        self.states, self.what = states.astype(np.uint64), what
        self.read = self.symbol = self.position = 0

    def take(self, contexts: NDArray[Any], table: TableSet) -> NDArray[np.int64]:
        """The next values, given their contexts."""
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
        """All words are read and every lane is back at its first state."""
        if self.read != len(self.words) or (self.states != FIRST_STATE).any():
            raise CorruptError(f"the entropy-coded {self.what} do not decode")

    def finish(self) -> None:
        """Close a part that the extra bits end."""
        self.close()
        if (self.position + 7) // 8 != len(self.bits):
            raise CorruptError(f"bytes too many behind the {self.what}")


def decode_values(
    data: memoryview, contexts: NDArray[Any], table: TableSet, what: str
) -> NDArray[np.int64]:
    """Values that were written with `encode_symbols(tokenise(values, contexts), table)`."""
    reader = SymbolReader(data, len(contexts), what)
    values = reader.take(contexts, table)
    reader.finish()
    return values


def fit_tables(samples: list[Symbols], contexts: int, symbols: int = tokens.ALPHABET) -> TableSet:
    """Table set fitted to the symbols of all samples."""
    total = np.zeros((contexts, symbols), np.int64)
    for sample in samples:
        total += sample.counts(contexts, symbols)
    return _tables.fit(total)


def usage(symbols: Symbols, contexts: int, alphabet: int, coded_bytes: int) -> Usage:
    """The accounting of one table-coded stream."""
    return Usage(
        (symbols.counts(contexts, alphabet),), float(symbols.widths.sum(dtype=int)), coded_bytes
    )

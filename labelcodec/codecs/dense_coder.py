"""The dense codec with its tables: labels to a stream and back (SPEC, section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Precision
from labelcodec.codecs import classorder, columns, values
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.streams import COMPONENT, Stream
from labelcodec.entropy import coding, tables, varint
from labelcodec.entropy.backend import coders
from labelcodec.entropy.coding import Symbols, Usage
from labelcodec.entropy.plain import UNKNOWN
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError

PLAIN, CODED = 0, 1
TOP_MANTISSA = 3  # mantissa bits that belong to the symbol


def place_of(
    known: NDArray[np.int64], places: NDArray[np.int64], patterns: int
) -> NDArray[np.int64]:
    """Fixed-point value of every pattern of high bits."""
    place_of = np.full(patterns, UNKNOWN, np.int64)
    place_of[known] = places
    return place_of


@dataclass(frozen=True, eq=False)
class DenseCoder:
    """The codec with its tables.

    Attributes:
        precision: type of the values.
        order: (C,) class at each position.
        known: (S,) high bits each symbol stands for.
        places: (S,) fixed-point value of each symbol.
        mean: (C,) mean fixed-point value at each position.
        base: prediction at which context 0 begins; a context is 32 wide.
        table: symbol frequencies by context.
    """

    precision: Precision
    order: NDArray[np.int64]
    known: NDArray[np.int64]
    places: NDArray[np.int64]
    mean: NDArray[np.int64]
    base: int
    table: TableSet

    @property
    def shift(self) -> int:
        """Low bits of a value that are stored as they are."""
        return values.LAYOUTS[self.precision].mantissa - TOP_MANTISSA

    @property
    def high_bits(self) -> int:
        """Bits of a value that are coded."""
        return values.LAYOUTS[self.precision].width - self.shift

    @cached_property
    def place_of(self) -> NDArray[np.int64]:
        """Fixed-point value of every pattern of high bits."""
        return place_of(self.known, self.places, 1 << self.high_bits)

    @cached_property
    def symbol_of(self) -> NDArray[np.uint8]:
        """Symbol of every pattern of high bits; the escape's for unknown ones."""
        lookup = np.full(1 << self.high_bits, len(self.known), np.uint8)
        lookup[self.known] = np.arange(len(self.known))
        return lookup

    def dump(self) -> dict[str, bytes]:
        """Named parts for the side information."""
        numbers = (self.known, self.places, self.mean, np.array([self.base]))
        return {
            "order": classorder.dump(self.order),
            "table": tables.dump(self.table),
            "symbols": b"".join(columns.pack_ints(array) for array in numbers),
            "precision": self.precision.encode(),
        }

    def symbols(self, high: NDArray[Any]) -> Symbols:
        """Symbols of high bits (B, C), in the order of coding."""
        last = len(self.table.freqs) - 1
        contexts = coders().dense_contexts(high, self.place_of, self.mean, self.base, last)
        symbols = self.symbol_of[high.T.ravel()]
        return Symbols(contexts.ravel(), symbols, np.zeros(0, np.uint8), np.zeros(0, np.uint64))

    def chosen(self) -> dict[str, Any]:
        """Nothing: there was no choice."""
        return {}

    def encode(self, labels: Labels, pictures: Pictures | None = None) -> dict[Stream, bytes]:
        """The label stream of a batch."""
        bits = values.to_bits(labels.value, labels.precision)
        if labels.precision != self.precision:
            return {Stream.LABEL_VALUES: bytes([PLAIN]) + columns.pack_floats(bits.ravel())}
        bits = bits[:, self.order]
        high = bits >> self.shift
        starts, freqs, escaped = coders().dense_intervals(
            high, self.place_of, self.mean, self.base, self.symbol_of,
            self.table.starts, self.table.freqs,
        )  # fmt: skip
        rans = coding.encode_intervals(starts, freqs)
        escapes = columns.pack_fixed(high.T[escaped.reshape(high.T.shape)], self.high_bits)
        drop = min(values.trailing_zeros(bits), self.shift)
        low = (bits & ((1 << self.shift) - 1)) >> drop
        stored = columns.pack_fixed(low.ravel(), self.shift - drop)
        lengths = varint.encode(len(rans)) + varint.encode(int(escaped.sum()))
        return {Stream.LABEL_VALUES: bytes([CODED, drop]) + lengths + rans + escapes + stored}

    def decode(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        pictures: Pictures | None = None,
    ) -> Labels:
        """Labels of a batch, as `interface.Coder` says."""
        data = streams.get(Stream.LABEL_VALUES)
        if not data:
            raise CorruptError("the label values stream is missing")
        classes = len(self.order)
        layout = values.LAYOUTS[blank.precision]
        if data[0] == PLAIN:
            bits = columns.unpack_floats(data[1:], layout.storage, samples * classes)
            value = values.from_bits(bits.reshape(samples, classes), blank.precision)
        elif data[0] == CODED and blank.precision == self.precision:
            value = values.from_bits(self._decode_bits(data, samples), self.precision)
        else:
            raise CorruptError("dense labels of unknown form")
        return replace(blank, value=value)

    def _decode_bits(self, data: memoryview, samples: int) -> NDArray[Any]:
        classes = len(self.order)
        drop = data[1] if len(data) > 1 else self.shift + 1
        length, position = varint.decode(data, 2)
        count, position = varint.decode(data, position)
        if drop > self.shift or count > samples * classes or length > len(data) - position:
            raise CorruptError("dense labels of impossible shape")
        rans, data = data[position : position + length], data[position + length :]
        states, words = coding.split_rans(rans, samples * classes)
        escapes, data = columns.unpack_fixed(data, count, self.high_bits)
        low, data = columns.unpack_fixed(data, samples * classes, self.shift - drop)
        if len(data):
            raise CorruptError(f"{len(data)} bytes too many behind the label values")
        decoded = coders().dense_decode(
            states, words, samples, escapes.astype(np.int64), self.known, self.place_of, self.mean,
            self.base, self.table.lookup, self.table.escape,
        )  # fmt: skip
        high = coding.good(decoded, "label values")
        storage = values.LAYOUTS[self.precision].storage
        bits = np.empty(high.shape, storage)
        bits[:, self.order] = high.astype(storage) << self.shift | (
            low.astype(storage) << drop
        ).reshape(high.shape)
        return bits

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """Accounting of the entropy-coded stream."""
        if labels.precision != self.precision:
            return {}
        bits = values.to_bits(labels.value, labels.precision)[:, self.order]
        symbols = self.symbols(bits >> self.shift)
        counts = symbols.counts(*self.table.freqs.shape)
        stored = bits.size * (self.shift - min(values.trailing_zeros(bits), self.shift))
        stored += int(counts[:, -1].sum()) * self.high_bits
        coded = sizes[Stream.LABEL_VALUES]
        return {COMPONENT[Stream.LABEL_VALUES]: Usage((counts,), float(stored), coded)}

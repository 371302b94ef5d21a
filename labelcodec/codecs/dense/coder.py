"""The dense codec with its fitted tables: labels to a stream and back (SPEC, section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Precision
from labelcodec.codecs import class_order, float_bits
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.components import LABEL_VALUES, Stream
from labelcodec.codecs.dense.format import CODED, PLAIN, TOP_MANTISSA, UNKNOWN
from labelcodec.codecs.interface import Coder
from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.entropy.backend import implementation
from labelcodec.entropy.coding import Symbols, Usage
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError

kernels = partial(implementation, "labelcodec.codecs.dense")


def place_of(
    known: NDArray[np.int64], places: NDArray[np.int64], patterns: int
) -> NDArray[np.int64]:
    """Lookup table from a pattern of high bits to its fixed-point value.

    Args:
        known: (S,) patterns that have a symbol.
        places: (S,) their fixed-point values.
        patterns: number of possible patterns.

    Returns:
        (patterns,) int64 values; UNKNOWN for patterns without a symbol.
    """
    place_of = np.full(patterns, UNKNOWN, np.int64)
    place_of[known] = places
    return place_of


@dataclass(frozen=True, eq=False)
class DenseCoder(Coder):
    """The dense codec with its fitted tables.

    Attributes:
        precision: type of the values.
        order: (C,) int64 class at each position of the class order.
        known: (S,) int64 pattern of high bits that each symbol stands for.
        places: (S,) int64 fixed-point value of each symbol.
        mean: (C,) int64 mean fixed-point value at each position.
        base: prediction at which context 0 begins; a context is 32 steps wide.
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
        """Number of low bits per value, which are stored uncompressed."""
        return float_bits.LAYOUTS[self.precision].mantissa - TOP_MANTISSA

    @property
    def high_bits(self) -> int:
        """Number of high bits per value, which are entropy-coded."""
        return float_bits.LAYOUTS[self.precision].width - self.shift

    @cached_property
    def place_of(self) -> NDArray[np.int32]:
        """Fixed-point value of every pattern of high bits; UNKNOWN without a symbol."""
        return place_of(self.known, self.places, 1 << self.high_bits).astype(np.int32)

    @cached_property
    def symbol_of(self) -> NDArray[np.uint8]:
        """Symbol of every pattern of high bits; the escape symbol for all others."""
        lookup = np.full(1 << self.high_bits, len(self.known), np.uint8)
        lookup[self.known] = np.arange(len(self.known))
        return lookup

    @cached_property
    def patterns(self) -> NDArray[np.int32]:
        """(patterns, 2) fixed-point value and symbol of every pattern of high bits."""
        return np.stack([self.place_of, self.symbol_of], axis=1).astype(np.int32)

    @cached_property
    def named(self) -> NDArray[np.int32]:
        """(S + 1, 2) fixed-point value and pattern of every symbol; the escape names pattern 0."""
        patterns = np.append(self.known, 0)
        return np.stack([self.place_of[patterns], patterns], axis=1).astype(np.int32)

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to named parts of the side information."""
        numbers = (self.known, self.places, self.mean, np.array([self.base]))
        return {
            "order": class_order.to_bytes(self.order),
            "table": tables.to_bytes(self.table),
            "symbols": b"".join(packing.pack_ints(array) for array in numbers),
            "precision": self.precision.encode(),
        }

    def symbols(self, high: NDArray[Any]) -> Symbols:
        """Symbols of (B, C) high bits, in coding order: position by position."""
        last = len(self.table.freqs) - 1
        contexts = kernels().dense_contexts(high, self.place_of, self.mean, self.base, last)
        symbols = self.symbol_of[high.T.ravel()]
        return Symbols(contexts.ravel(), symbols, np.zeros(0, np.uint8))

    def encode(self, labels: Labels, context: BatchContext | None = None) -> dict[Stream, bytes]:
        """Encode the labels of a batch.

        Args:
            labels: labels returned by `Dense.prepare`.
            context: ignored.

        Returns:
            The LABEL_VALUES stream.
        """
        bits = float_bits.to_bits(labels.value, labels.precision)
        if labels.precision != self.precision:
            return {LABEL_VALUES: bytes([PLAIN]) + packing.pack_floats(bits.ravel())}
        drop = min(float_bits.trailing_zeros(bits), self.shift)
        states, words, escaped, low = kernels().dense_encode(
            bits, self.order, self.shift, drop, self.patterns, self.mean, self.base,
            self.table.packed, coding.lanes_for(bits.size),
        )  # fmt: skip
        rans, escapes = coding.join_rans(states, words), packing.pack_fixed(escaped, self.high_bits)
        lengths = varint.encode(len(rans)) + varint.encode(len(escaped))
        return {LABEL_VALUES: b"".join((bytes([CODED, drop]), lengths, rans, escapes, low.data))}

    def decode(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        context: BatchContext | None = None,
    ) -> Labels:
        """Decode the labels of a batch; see `interface.Coder`.

        Args:
            streams: the streams of the batch.
            samples: B.
            blank: labels without values that carry their precision.
            context: ignored.

        Raises:
            CorruptError: the stream is missing or malformed.
        """
        data = streams.get(LABEL_VALUES)
        if not data:
            raise CorruptError("the label values stream is missing")
        classes = len(self.order)
        layout = float_bits.LAYOUTS[blank.precision]
        if data[0] == PLAIN:
            bits = packing.unpack_floats(data[1:], layout.storage, samples * classes)
            value = float_bits.from_bits(bits.reshape(samples, classes), blank.precision)
        elif data[0] == CODED and blank.precision == self.precision:
            value = float_bits.from_bits(self._decode_bits(data, samples), self.precision)
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
        escapes, data = packing.unpack_fixed(data, count, self.high_bits)
        surplus = len(data) - (samples * classes * (self.shift - drop) + 7) // 8
        if surplus < 0:
            raise CorruptError(f"the label values are {-surplus} bytes too short")
        if surplus:
            raise CorruptError(f"{surplus} bytes too many behind the label values")
        decoded = kernels().dense_decode(
            states, words, escapes, np.frombuffer(data, np.uint8), samples, self.order,
            self.shift, drop, self.named, self.place_of, self.mean, self.base, self.table.lookup,
            float_bits.LAYOUTS[self.precision].storage,
        )  # fmt: skip
        return coding.good(decoded, "label values")

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """Symbol counts and coded bytes of the entropy-coded stream.

        Args:
            labels: the labels that were encoded.
            sizes: bytes of each stream.
        """
        if labels.precision != self.precision:
            return {}
        bits = float_bits.to_bits(labels.value, labels.precision)[:, self.order]
        symbols = self.symbols(bits >> self.shift)
        counts = symbols.counts(*self.table.freqs.shape)
        stored = bits.size * (self.shift - min(float_bits.trailing_zeros(bits), self.shift))
        stored += int(counts[:, -1].sum()) * self.high_bits
        coded = sizes[LABEL_VALUES]
        return {LABEL_VALUES.component: Usage((counts,), float(stored), coded)}

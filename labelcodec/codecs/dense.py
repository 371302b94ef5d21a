"""dense: every logit bit for bit, high bits predicted from like classes (SPEC, section 7).

A value's sign, exponent and top mantissa bits are one symbol, coded in the context of what the
classes before it (in an order that puts like classes together) say; the low bits are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Precision, Tail
from labelcodec.codecs import classorder, columns, values
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.streams import COMPONENT, Stream
from labelcodec.entropy import coding, tables, varint
from labelcodec.entropy.backend import coders
from labelcodec.entropy.coding import Symbols, Usage
from labelcodec.entropy.plain import UNKNOWN
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError, DataError

PLAIN, CODED = 0, 1
TOP_MANTISSA = 3  # mantissa bits that belong to the symbol
MAX_KNOWN = 255  # symbols a table can hold besides the escape
UNIT = 32  # fixed-point steps a context is wide
WANTED_CONTEXTS = 64
MAX_CONTEXTS = 128
MAX_PLACE = 1 << 24
FAR = 1e6  # beyond it the size of a value says nothing about like classes
TOPK_SOURCE = "the dense codec stores full labels, these are top-k: use topk"


@dataclass(frozen=True)
class Dense:
    """Configuration of the codec; there is nothing to choose."""

    name = "dense"
    fit_labels = 8192
    lossy = False

    def kept(self, k: int | None, tail: Tail | None) -> tuple[int | None, Tail | None]:
        """Nothing is left out.

        Raises:
            DataError: the source is top-k.
        """
        if k is not None:
            raise DataError(TOPK_SOURCE)
        return k, tail

    def prepare(self, labels: Labels, allow_nonfinite: bool = True) -> Labels:
        """The labels themselves; NaN and infinities are kept.

        Raises:
            DataError: the labels are top-k, or their values are not of their precision.
        """
        if labels.index is not None:
            raise DataError(TOPK_SOURCE)
        values.check_type(labels)
        return labels

    def fit(
        self,
        samples: Iterable[Labels],
        classes: int,
        expected: int | None = None,
        pictures: Sequence[Pictures] = (),
    ) -> DenseCoder:
        """A coder with tables for labels like the (prepared) samples."""
        batches = list(samples)
        precision: Precision = batches[0].precision if batches else "float16"
        layout = values.LAYOUTS[precision]
        shift = layout.mantissa - TOP_MANTISSA
        order = classorder.fit((_finite(labels.value) for labels in batches), classes)
        high = [values.to_bits(labels.value, precision)[:, order] >> shift for labels in batches]
        seen = np.zeros(1 << (layout.width - shift), np.int64)
        for part in high:
            seen += np.bincount(part.ravel(), minlength=len(seen))
        known = np.sort(np.argsort(-seen, kind="stable")[: min(MAX_KNOWN, int((seen > 0).sum()))])
        middle = _middles(known, shift, precision)
        scaled = np.rint(middle * _scale(middle, seen[known]))
        places = np.clip(scaled, -MAX_PLACE, MAX_PLACE).astype(np.int64)
        place_of = _place_of(known, places, len(seen))
        settled = np.where(place_of == UNKNOWN, 0, place_of)
        total = sum((settled[part].sum(axis=0) for part in high), np.zeros(classes, np.int64))
        mean = np.rint(total / max(sum(map(len, high)), 1)).astype(np.int64)
        base = int(mean.min()) - UNIT * WANTED_CONTEXTS // 2
        blank = tables.fit(np.zeros((MAX_CONTEXTS, len(known)), np.int64))
        coder = DenseCoder(precision, order, known, places, mean, base, blank)
        counts = np.zeros((MAX_CONTEXTS, len(known) + 1), np.int64)
        for part in high:
            counts += coder.symbols(part).counts(*counts.shape)
        used = np.flatnonzero(counts.sum(axis=1))
        first, stop = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
        table = tables.fit(counts[first:stop, :-1])
        return DenseCoder(precision, order, known, places, mean, base + UNIT * first, table)

    def load(self, parts: Mapping[str, bytes], classes: int) -> DenseCoder:
        """The coder whose `dump` gave these parts.

        Raises:
            CorruptError: a part is missing or malformed.
        """
        try:
            order = classorder.load(parts["order"], classes)
            table = tables.load(parts["table"])
            known, rest = columns.unpack_ints(memoryview(parts["symbols"]), table.escape)
            places, rest = columns.unpack_ints(rest, table.escape)
            mean, rest = columns.unpack_ints(rest, classes)
            base, rest = columns.unpack_ints(rest, 1)
            precision = parts["precision"].decode("ascii", "replace")
        except KeyError as missing:
            raise CorruptError(f"the dense tables lack {missing}") from None
        if precision not in values.LAYOUTS:
            raise CorruptError(f"dense tables for values of type {precision!r}")
        for name, array in (("places", places), ("means", mean), ("base", base)):
            if array.size and int(np.abs(array).max()) > 2 * MAX_PLACE:
                raise CorruptError(f"the dense tables' {name} are out of range")
        layout = values.LAYOUTS[precision]
        if (known < 0).any() or (known >> (layout.width - layout.mantissa + TOP_MANTISSA)).any():
            raise CorruptError("the dense tables name an impossible symbol")
        if len(rest) or len(table.freqs) > MAX_CONTEXTS or (np.diff(known) <= 0).any():
            raise CorruptError("the dense tables are malformed")
        return DenseCoder(precision, order, known, places, mean, int(base[0]), table)


def _finite(value: NDArray[Any]) -> NDArray[np.float32]:
    """Centred rows; what is not finite counts as the row's mean, and nothing as beyond `FAR`."""
    good = np.isfinite(value)
    wide = np.clip(np.where(good, value, 0).astype(np.float32), -FAR, FAR)
    mean = wide.sum(axis=1, keepdims=True) / np.maximum(good.sum(axis=1, keepdims=True), 1)
    return np.where(good, wide - mean, 0)


def _middles(known: NDArray[np.int64], shift: int, precision: Precision) -> NDArray[np.float64]:
    """Middle value of each symbol's interval; 0 for symbols of NaN and infinities."""
    bits = (known << shift) + (1 << (shift - 1))
    value = values.from_bits(bits, precision)
    return np.where(np.isfinite(value), value, 0).astype(np.float64)


def _scale(middle: NDArray[np.float64], seen: NDArray[np.int64]) -> float:
    """Power of two that spreads nearly all values over the wanted number of contexts."""
    if not len(middle):
        return 1.0
    order = np.argsort(middle)
    share = np.cumsum(seen[order]) / max(int(seen.sum()), 1)
    first, last = np.searchsorted(share, [0.0005, 0.9995]).tolist()
    low, high = middle[order[first]], middle[order[min(last, len(order) - 1)]]
    spread = max(float(high - low), 2.0**-20)
    return float(2.0 ** np.clip(np.round(np.log2(WANTED_CONTEXTS * UNIT / spread)), -40, 40))


def _place_of(
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
        return _place_of(self.known, self.places, 1 << self.high_bits)

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
        """Labels of a batch.

        Args:
            streams: the batch's streams.
            samples: B.
            blank: labels without content that say what all labels of the file share.
            pictures: not used.

        Raises:
            CorruptError: the stream is missing or malformed.
        """
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

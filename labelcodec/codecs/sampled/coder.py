"""The sampled codec with its fitted tables: labels to streams and back (SPEC, section 19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.codecs import class_order
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.components import LABEL_INDEX, LABEL_VALUES, Stream
from labelcodec.codecs.interface import Coder
from labelcodec.codecs.sampled.arrangement import UNIT, Drawn, from_arrays, to_arrays
from labelcodec.entropy import coding, tables, varint
from labelcodec.entropy.coding import Usage
from labelcodec.entropy.format import ALPHABET
from labelcodec.entropy.tables import TableSet
from labelcodec.entropy.tokens import bucket
from labelcodec.errors import CorruptError, DataError

FORM, FORM_KEPT = 0, 1  # of stream 9, without and with kept classes
TABLES = ("sizes", "gaps", "counts")
KEPT_TABLES = ("kept", "rests", "masses")
CONTEXTS = {"sizes": 1, "gaps": 32, "counts": 16, "kept": 32, "rests": 16, "masses": 33}
Integers = NDArray[np.int64]
Coded = tuple[Integers, Integers]  # values and their contexts


def table_names(keep: int) -> tuple[str, ...]:
    """Names of the tables of a codec that keeps `keep` classes of each label."""
    return TABLES + KEPT_TABLES if keep else TABLES


@dataclass(frozen=True, eq=False)
class SampledCoder(Coder):
    """The sampled codec with its fitted tables.

    Attributes:
        draws: n, draws per label.
        keep: K, kept classes of each label.
        classes: C.
        order: (C,) int64 class at each position of the class order.
        tables: frequency tables by name: of the number of drawn classes per label (`sizes`), of
            the gaps between their positions (`gaps`) and of how often each was drawn (`counts`);
            of the gaps between kept classes (`kept`), of the probability that is left to the
            drawn ones (`rests`) and of that of each kept one (`masses`).
    """

    draws: int
    keep: int
    classes: int
    order: Integers
    tables: Mapping[str, TableSet]

    @cached_property
    def position(self) -> Integers:
        """(C,) position of each class in the class order."""
        return class_order.inverse(self.order)

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to named parts of the side information."""
        fitted = {name: tables.to_bytes(table) for name, table in self.tables.items()}
        return {"order": class_order.to_bytes(self.order), **fitted}

    def drawn_of(self, labels: Labels) -> Drawn:
        """Kept and drawn classes of prepared labels.

        Raises:
            DataError: values that are no shares of n draws.
        """
        assert labels.index is not None
        drawn, fits = from_arrays(labels.index, labels.value, self.draws)
        if not fits.all():
            raise DataError(f"sampled: labels that are not shares of {self.draws} draws")
        return drawn

    def integers(self, drawn: Drawn) -> dict[str, Coded]:
        """What the streams hold: table -> values and their contexts."""
        place = self.position[drawn.classes]
        order = np.lexsort((place, drawn.rows))
        place, counts, sizes = place[order], drawn.counts[order], drawn.sizes
        is_last = _is_last(sizes)
        coded = {
            "sizes": (sizes - self._least_size, np.zeros_like(sizes)),
            "gaps": (_gaps(place, sizes), _gap_contexts(sizes)),
            "counts": (counts[~is_last] - 1, _count_contexts(sizes)),
        }
        if not self.keep:
            return coded
        place = self.position[drawn.kept]
        by_place = np.argsort(place, axis=1)
        place = np.take_along_axis(place, by_place, axis=1)
        mass = np.take_along_axis(drawn.mass, by_place, axis=1)[:, :-1]
        widths = np.full(len(sizes), self.keep)
        return coded | {
            "kept": (_gaps(place.ravel(), widths), _gap_contexts(widths)),
            "rests": (drawn.rest[sizes > 0] - 1, _size_contexts(sizes[sizes > 0])),
            "masses": (mass.ravel(), self._mass_contexts(drawn.rest)),
        }

    @property
    def _least_size(self) -> int:
        """The fewest classes that are drawn for a label."""
        return 0 if self.keep else 1

    def _mass_contexts(self, rest: Integers) -> Integers:
        """Context of the probability of each kept class: by that of all of a label's."""
        return np.repeat(bucket(np.maximum(UNIT - rest, 1)), self.keep - 1)

    def encode(self, labels: Labels, context: BatchContext | None = None) -> dict[Stream, bytes]:
        """Encode the labels of a batch.

        Args:
            labels: labels returned by `Sampled.prepare`.
            context: ignored.
        """
        integers = self.integers(self.drawn_of(labels))
        part = {
            name: coding.encode_values(*coded, self.tables[name])
            for name, coded in integers.items()
        }
        if not self.keep:
            index = bytes([FORM]) + varint.framed(part["sizes"]) + part["gaps"]
            return {LABEL_INDEX: index, LABEL_VALUES: part["counts"]}
        kept = bytes([FORM_KEPT]) + varint.framed(part["sizes"]) + varint.framed(part["kept"])
        values = varint.framed(part["rests"]) + varint.framed(part["masses"]) + part["counts"]
        return {LABEL_INDEX: kept + part["gaps"], LABEL_VALUES: values}

    def decode(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        context: BatchContext | None = None,
    ) -> Labels:
        """As `Coder.decode`."""
        if not streams.keys() >= {LABEL_INDEX, LABEL_VALUES}:
            raise CorruptError("a stream of sampled labels is missing")
        if (blank.space, blank.tail, blank.precision) != ("probabilities", "zero", "float32"):
            raise CorruptError("sampled labels that are not float32 probabilities with tail zero")
        data = streams[LABEL_INDEX]
        if not data or data[0] != (FORM_KEPT if self.keep else FORM):
            raise CorruptError("sampled labels of unknown form")
        part, rest = varint.unframed(data[1:], "sizes of labels")
        sizes = self._least_size + self._values("sizes", part, np.zeros(samples, np.int64))
        if int(sizes.max()) > min(self.draws, self.classes):
            raise CorruptError(f"a label of {sizes.max()} classes from {self.draws} draws")
        values = streams[LABEL_VALUES]
        kept, mass = np.zeros((2, samples, 0), np.int64)
        if self.keep:
            part, rest = varint.unframed(rest, "kept classes")
            widths = np.full(samples, self.keep)
            kept = self._classes("kept", part, widths).reshape(samples, self.keep)
            mass, values = self._masses(values, sizes)
        classes = self._classes("gaps", rest, sizes)
        rows = np.repeat(np.arange(samples), sizes)
        drawn = Drawn(kept, mass, rows, classes, self._counts(values, sizes))
        if self.keep and np.isin(rows * self.classes + classes, _keys(kept, self.classes)).any():
            raise CorruptError("a class that is kept and drawn")
        index, value = to_arrays(drawn, self.draws)
        return Labels(self.classes, value, index, "probabilities", "zero", "float32")

    def _values(self, table: str, data: memoryview, contexts: Integers) -> Integers:
        """Integers of a coded part."""
        return coding.decode_values(data, contexts, self.tables[table], f"{table} of labels")

    def _classes(self, table: str, data: memoryview, sizes: Integers) -> Integers:
        """Classes of all labels, by gaps between their positions in the class order."""
        gaps = self._values(table, data, _gap_contexts(sizes))
        place = _sums_within(gaps + 1, sizes) - 1
        if len(place) and place.max() >= self.classes:
            raise CorruptError(f"a class outside 0..{self.classes - 1}")
        return self.order[place]

    def _masses(self, data: memoryview, sizes: Integers) -> tuple[Integers, memoryview]:
        """(B, K) probabilities of the kept classes by position, and the rest of the stream."""
        part, data = varint.unframed(data, "probabilities of labels")
        rest = np.zeros(len(sizes), np.int64)
        rest[sizes > 0] = 1 + self._values("rests", part, _size_contexts(sizes[sizes > 0]))
        if rest.max() > UNIT:
            raise CorruptError(f"a probability of {rest.max()} / {UNIT}")
        part, data = varint.unframed(data, "probabilities of labels")
        coded = self._values("masses", part, self._mass_contexts(rest))
        mass = coded.reshape(len(sizes), self.keep - 1)
        last = UNIT - rest - mass.sum(axis=1)
        if last.min() < 0:
            raise CorruptError("probabilities of kept classes that are more than 1")
        return np.concatenate([mass, last[:, None]], axis=1), data

    def _counts(self, data: memoryview, sizes: Integers) -> Integers:
        """How often each class was drawn; the last of each label is what is left of n."""
        coded = 1 + self._values("counts", data, _count_contexts(sizes))
        is_last = _is_last(sizes)
        counts = np.zeros(len(is_last), np.int64)
        counts[~is_last] = coded
        rows = np.repeat(np.arange(len(sizes)), sizes)
        sums = np.bincount(rows, counts, len(sizes)).astype(np.int64)
        counts[is_last] = self.draws - sums[sizes > 0]
        if len(counts) and counts.min() < 1:
            raise CorruptError(f"counts that do not sum to {self.draws} draws")
        return counts

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """As `Coder.usage`."""
        integers = self.integers(self.drawn_of(labels))
        names = [name for name in ("rests", "masses", "counts") if name in integers]
        symbols = [coding.tokenise(*integers[name]) for name in names]
        used = Usage(
            tuple(
                part.counts(CONTEXTS[name], ALPHABET)
                for name, part in zip(names, symbols, strict=True)
            ),
            float(sum(part.widths.sum(dtype=int) for part in symbols)),
            sizes[LABEL_VALUES],
        )
        return {LABEL_VALUES.component: used}


def _keys(kept: Integers, classes: int) -> Integers:
    keys: Integers = (np.arange(len(kept))[:, None] * classes + kept).ravel()
    return keys


def _is_last(sizes: Integers) -> NDArray[np.bool_]:
    """(m,) whether each class is the last of its label."""
    is_last = np.zeros(int(sizes.sum()), bool)
    is_last[np.cumsum(sizes)[sizes > 0] - 1] = True
    return is_last


def _gaps(place: Integers, sizes: Integers) -> Integers:
    """(m,) gaps between rising positions: the first of each label is its position."""
    gaps = np.diff(place, prepend=0) - 1
    first = (np.cumsum(sizes) - sizes)[sizes > 0]
    gaps[first] = place[first]
    return gaps


def _gap_contexts(sizes: Integers) -> Integers:
    """Context of each gap: by the classes left in its label, apart for the first one."""
    total = int(sizes.sum())
    first = np.cumsum(sizes) - sizes
    nth = np.arange(total) - np.repeat(first, sizes)
    left = np.repeat(sizes, sizes) - nth
    contexts: Integers = _size_contexts(left) + 16 * (nth == 0)
    return contexts


def _count_contexts(sizes: Integers) -> Integers:
    """Context of each count but the last of a label: by the number of its classes."""
    sizes = sizes[sizes > 0]
    contexts: Integers = np.repeat(_size_contexts(sizes), sizes - 1)
    return contexts


def _size_contexts(sizes: Integers) -> Integers:
    """Context of numbers of classes: their half-octave, 15 at most (SPEC, E-11)."""
    contexts: Integers = np.minimum(bucket(sizes), 15)
    return contexts


def _sums_within(numbers: Integers, sizes: Integers) -> Integers:
    """Running sums that begin anew with each label."""
    sums = np.cumsum(numbers)
    before = np.concatenate([[0], sums])[np.cumsum(sizes) - sizes]
    within: Integers = sums - np.repeat(before, sizes)
    return within

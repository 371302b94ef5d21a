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
from labelcodec.codecs.sampled.arrangement import to_arrays, to_lists
from labelcodec.entropy import coding, tables, varint
from labelcodec.entropy.coding import Usage
from labelcodec.entropy.format import ALPHABET
from labelcodec.entropy.tables import TableSet
from labelcodec.entropy.tokens import bucket
from labelcodec.errors import CorruptError, DataError

FORM = 0
TABLES = ("sizes", "gaps", "counts")
CONTEXTS = {"sizes": 1, "gaps": 32, "counts": 16}
Integers = NDArray[np.int64]
Coded = tuple[Integers, Integers]  # values and their contexts


@dataclass(frozen=True, eq=False)
class SampledCoder(Coder):
    """The sampled codec with its fitted tables.

    Attributes:
        draws: n, draws per label.
        classes: C.
        order: (C,) int64 class at each position of the class order.
        sizes: frequency tables of the number of classes per label.
        gaps: frequency tables of the gaps between their positions.
        counts: frequency tables of how often each was drawn.
    """

    draws: int
    classes: int
    order: Integers
    sizes: TableSet
    gaps: TableSet
    counts: TableSet

    @cached_property
    def position(self) -> Integers:
        """(C,) position of each class in the class order."""
        return class_order.inverse(self.order)

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to named parts of the side information."""
        fitted = {name: tables.to_bytes(getattr(self, name)) for name in TABLES}
        return {"order": class_order.to_bytes(self.order), **fitted}

    def drawn_of(self, labels: Labels) -> tuple[Integers, Integers, Integers]:
        """Rows, classes and counts of prepared labels.

        Raises:
            DataError: values that are no shares of n draws.
        """
        assert labels.index is not None
        count = np.rint(labels.value.astype(np.float64) * self.draws).astype(np.int64)
        if (count.sum(axis=1) != self.draws).any():
            raise DataError(f"sampled: labels that are not shares of {self.draws} draws")
        return to_lists(labels.index, count)

    def integers(self, rows: Integers, classes: Integers, counts: Integers) -> dict[str, Coded]:
        """What the streams hold: table -> values and their contexts."""
        place = self.position[classes]
        order = np.lexsort((place, rows))
        rows, place, counts = rows[order], place[order], counts[order]
        sizes = np.bincount(rows)
        first = np.concatenate([[True], rows[1:] != rows[:-1]])
        gaps = np.where(first, place, place - np.concatenate([[0], place[:-1]]) - 1)
        is_last = np.concatenate([rows[1:] != rows[:-1], [True]])
        contexts = _gap_contexts(sizes), _count_contexts(sizes)
        return {
            "sizes": (sizes - 1, np.zeros_like(sizes)),
            "gaps": (gaps, contexts[0]),
            "counts": (counts[~is_last] - 1, contexts[1]),
        }

    def encode(self, labels: Labels, context: BatchContext | None = None) -> dict[Stream, bytes]:
        """Encode the labels of a batch.

        Args:
            labels: labels returned by `Sampled.prepare`.
            context: ignored.
        """
        integers = self.integers(*self.drawn_of(labels))
        sizes, gaps, counts = (
            coding.encode_values(*integers[name], getattr(self, name)) for name in TABLES
        )
        index = bytes([FORM]) + varint.encode(len(sizes)) + sizes + gaps
        return {LABEL_INDEX: index, LABEL_VALUES: counts}

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
        if not data or data[0] != FORM:
            raise CorruptError("sampled labels of unknown form")
        length, begin = varint.decode(data, 1)
        if length > len(data) - begin:
            raise CorruptError("the sizes of sampled labels are longer than their stream")
        none = np.zeros(samples, np.int64)
        sizes = 1 + coding.decode_values(
            data[begin : begin + length], none, self.sizes, "sizes of labels"
        )
        if int(sizes.max()) > min(self.draws, self.classes):
            raise CorruptError(f"a label of {sizes.max()} classes from {self.draws} draws")
        gaps = coding.decode_values(
            data[begin + length :], _gap_contexts(sizes), self.gaps, "drawn classes"
        )
        place = _sums_within(gaps + 1, sizes) - 1
        if place.max() >= self.classes:
            raise CorruptError(f"a drawn class outside 0..{self.classes - 1}")
        counts = self._counts(streams[LABEL_VALUES], sizes)
        rows = np.repeat(np.arange(samples), sizes)
        index, count = to_arrays(rows, self.order[place], counts, samples, self.draws)
        value = (count / self.draws).astype(np.float32)
        return Labels(self.classes, value, index, "probabilities", "zero", "float32")

    def _counts(self, data: memoryview, sizes: Integers) -> Integers:
        """How often each class was drawn; the last of each label is what is left of n."""
        coded = 1 + coding.decode_values(data, _count_contexts(sizes), self.counts, "draws")
        counts = np.zeros(int(sizes.sum()), np.int64)
        last = np.cumsum(sizes) - 1
        is_coded = np.ones(len(counts), bool)
        is_coded[last] = False
        counts[is_coded] = coded
        counts[last] = self.draws - np.add.reduceat(counts, last - sizes + 1)
        if counts.min() < 1:
            raise CorruptError(f"counts that do not sum to {self.draws} draws")
        return counts

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """As `Coder.usage`."""
        integers = self.integers(*self.drawn_of(labels))
        symbols = coding.tokenise(*integers["counts"])
        contexts = CONTEXTS["counts"]
        used = coding.usage(symbols, contexts, ALPHABET, sizes[LABEL_VALUES])
        return {LABEL_VALUES.component: used}


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
    contexts: Integers = np.repeat(_size_contexts(sizes), sizes - 1)
    return contexts


def _size_contexts(sizes: Integers) -> Integers:
    """Context of numbers of classes: their half-octave, 15 at most (SPEC, E-11)."""
    contexts: Integers = np.minimum(bucket(sizes), 15)
    return contexts


def _sums_within(numbers: Integers, sizes: Integers) -> Integers:
    """Running sums that begin anew with each label."""
    sums = np.cumsum(numbers)
    first = np.cumsum(sizes) - sizes
    within: Integers = sums - np.repeat(sums[first] - numbers[first], sizes)
    return within

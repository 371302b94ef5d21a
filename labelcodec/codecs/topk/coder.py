"""The topk codec with its fitted tables: labels to streams and back (SPEC, section 8)."""

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
from labelcodec.codecs.components import (
    LABEL_COUNT,
    LABEL_FLOOR,
    LABEL_INDEX,
    LABEL_VALUES,
    Stream,
)
from labelcodec.codecs.interface import Coder
from labelcodec.codecs.topk import ranking
from labelcodec.codecs.topk.format import (
    CODED,
    CONSTANT,
    MAX_CELLS,
    MAX_K,
    PLAIN,
    SET_CONTEXTS,
    TIES_BY_CLASS,
    VALUE_CONTEXTS,
)
from labelcodec.codecs.topk.ranking import Ranking
from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.entropy.backend import implementation
from labelcodec.entropy.coding import Usage
from labelcodec.entropy.format import ALPHABET, MAX_INTEGER, SLOT_BITS
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError
from labelcodec.kept_counts import by_count, join
from labelcodec.wording import counted

kernels = partial(implementation, "labelcodec.codecs.topk")

OUTSIDE = "a top-k value outside its type"
STATUSES = {  # of `labels_decode`
    1: "the entropy-coded kept classes do not decode",
    2: "the entropy-coded label values do not decode",
    3: "the entropy-coded class ranks do not decode",
    4: OUTSIDE,
}


@dataclass(frozen=True, eq=False)
class TopKCoder(Coder):
    """The topk codec with its fitted tables.

    Attributes:
        step: values are multiples of it; None if they keep their bits.
        classes: C.
        order: (C,) int64 class at each position of the class order.
        sets: frequency tables of the gaps between positions.
        gaps: frequency tables of first values and of gaps between values.
    """

    step: float | None
    classes: int
    order: NDArray[np.int64]
    sets: TableSet
    gaps: TableSet

    @cached_property
    def position(self) -> NDArray[np.int64]:
        """(C,) position of each class in the class order."""
        return class_order.inverse(self.order)

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to named parts of the side information."""
        return {
            "order": class_order.to_bytes(self.order),
            "set": tables.to_bytes(self.sets),
            "values": tables.to_bytes(self.gaps),
        }

    def ranking(self, labels: Labels) -> Ranking | None:
        """Integers of prepared labels; None if only the uncompressed form can hold them."""
        return self._ranked(labels)[0]

    def _ranked(self, labels: Labels) -> tuple[Ranking | None, int]:
        """As `ranking`, and the number of low bits that its levels lack: zero in all values."""
        assert labels.index is not None
        if self.step is None:
            bits = float_bits.to_bits(labels.value, labels.precision)
            levels, drop = kernels().bit_levels(bits)
            return ranking.rank(self.position, labels.index, levels, False), drop
        if not _within(labels.value, self.step):
            return None, 0
        levels = np.rint(labels.value.astype(np.float64) / self.step).astype(np.int64)
        return ranking.rank(self.position, labels.index, levels, True), 0

    def encode(self, labels: Labels, context: BatchContext | None = None) -> dict[Stream, bytes]:
        """Encode the labels of a batch.

        Args:
            labels: labels returned by `TopK.prepare`.
            context: ignored.

        Returns:
            The LABEL_INDEX and LABEL_VALUES streams, LABEL_FLOOR for labels with a floor, and
            LABEL_COUNT for those that keep different numbers of classes.
        """
        assert labels.index is not None
        streams = {}
        if labels.floor is not None:
            streams[LABEL_FLOOR] = packing.pack_floats(labels.floor)
        if labels.count is None:
            streams[LABEL_INDEX], streams[LABEL_VALUES] = self._encode_group(labels)
            return streams
        groups = [self._encode_group(group) for _, group in by_count(labels)]
        k = varint.encode(labels.index.shape[1])
        streams[LABEL_COUNT] = k + packing.pack_ints(labels.count)
        streams[LABEL_INDEX] = b"".join(varint.framed(index) for index, _ in groups)
        streams[LABEL_VALUES] = b"".join(varint.framed(values) for _, values in groups)
        return streams

    def _encode_group(self, labels: Labels) -> tuple[bytes, bytes]:
        """Classes and values of labels that all keep k classes."""
        assert labels.index is not None
        k = varint.encode(labels.index.shape[1])
        ranked, drop = self._ranked(labels)
        if ranked is None:
            index = bytes([PLAIN]) + k + packing.pack_ints(labels.index)
            return index, bytes([PLAIN]) + packing.pack_floats(labels.value.ravel())
        if ranked.values is None or ranked.ties_by_class:
            return self._encode_index(ranked, k), self._encode_values(ranked, drop)
        sets, values, permutations = kernels().labels_encode(
            ranked.gaps, ranked.contexts, ranked.ranks, ranked.values,
            ranking.rank_contexts(len(ranked.gaps)), self.sets.packed, self.gaps.packed,
            coding.lanes_for(ranked.gaps.size),
        )  # fmt: skip
        members, arranged = coding.join_symbols(*sets), coding.join_rans(*permutations)
        index = bytes([CODED]) + k + varint.framed(members) + arranged
        return index, bytes([CODED, drop]) + coding.join_symbols(*values)

    def _encode_index(self, ranked: Ranking, k: bytes) -> bytes:
        members = coding.encode_values(ranked.gaps.ravel(), ranked.contexts.ravel(), self.sets)
        intervals = kernels().order_intervals(ranked.ranks, ranked.coded_levels)
        form = bytes([CODED | (TIES_BY_CLASS if ranked.ties_by_class else 0)])
        return form + k + varint.framed(members) + coding.encode_intervals(intervals)

    def _encode_values(self, ranked: Ranking, drop: int) -> bytes:
        if ranked.values is None:
            level = varint.zigzag(int(ranked.levels[0, 0]))
            return bytes([CONSTANT, drop]) + varint.encode(level)
        falls = coding.encode_values(ranked.values.ravel(), ranked.value_contexts, self.gaps)
        return bytes([CODED, drop]) + falls

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
            blank: labels without values that carry space, tail and precision.
            context: ignored.

        Raises:
            CorruptError: a stream is missing or malformed.
        """
        index_data, value_data = _need(streams, LABEL_INDEX), _need(streams, LABEL_VALUES)
        floor = None
        if blank.tail == "floor":
            floor = packing.unpack_floats(_need(streams, LABEL_FLOOR), self._dtype(blank), samples)
        if LABEL_COUNT in streams:
            counts, like = _need(streams, LABEL_COUNT), replace(blank, floor=floor)
            return self._decode_groups(counts, index_data, value_data, like, samples)
        value, index = self._decode_group(index_data, value_data, samples, blank)
        return Labels(blank.classes, value, index, blank.space, blank.tail, blank.precision, floor)

    def _dtype(self, blank: Labels) -> str:
        """The dtype of decoded values."""
        return "float16" if blank.precision == "float16" and self.step is None else "float32"

    def _decode_groups(
        self,
        counts: memoryview,
        index_data: memoryview,
        value_data: memoryview,
        like: Labels,
        samples: int,
    ) -> Labels:
        """Labels that keep different numbers of classes (SPEC, section 8.5)."""
        k, position = varint.decode(counts, 0)
        self._check_k(k, samples)
        count = packing.unpack_all_ints(counts[position:], samples, "numbers of kept classes")
        if count.min() < 1 or count.max() > k:
            raise CorruptError(f"a label that keeps {count.max()} classes of at most {k}")
        groups = []
        for number in np.unique(count).tolist():
            rows = np.flatnonzero(count == number)
            index_part, index_data = _unframed(index_data)
            value_part, value_data = _unframed(value_data)
            value, index = self._decode_group(index_part, value_part, len(rows), like)
            if index.shape[1] != number:
                raise CorruptError(f"{index.shape[1]} kept classes of labels that keep {number}")
            floor = None if like.floor is None else like.floor[rows]
            groups.append((rows, replace(like, value=value, index=index, floor=floor)))
        if len(index_data) or len(value_data):
            raise CorruptError("bytes too many behind the top-k labels")
        return join(groups, k)

    def _check_k(self, k: int, samples: int) -> None:
        if not 0 < k <= self.classes or samples * k > MAX_CELLS:
            raise CorruptError(
                f"k={k} with {counted(samples, 'sample')} of {counted(self.classes, 'class')}"
            )

    def _decode_group(
        self, index_data: memoryview, value_data: memoryview, samples: int, blank: Labels
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Values and classes of labels that all keep k classes."""
        k, position = varint.decode(index_data, 1)
        self._check_k(k, samples)
        body = index_data[position:]
        if index_data[0] == PLAIN and value_data[0] == PLAIN:
            flat, rest = packing.unpack_ints(body, samples * k)
            value = packing.unpack_floats(value_data[1:], self._dtype(blank), samples * k)
            index = flat.reshape(samples, k)
            if len(rest) or (index < 0).any() or (index >= self.classes).any():
                raise CorruptError(f"a top-k class outside 0..{self.classes - 1}")
            return value.reshape(samples, k), index
        if index_data[0] & ~TIES_BY_CLASS != CODED or k > MAX_K:
            raise CorruptError("top-k labels of unknown form")
        if index_data[0] == CODED == value_data[0]:
            return self._decode_untied(body, value_data, samples, k, blank)
        levels = self._decode_levels(value_data, samples, k)
        ties_by_class = bool(index_data[0] & TIES_BY_CLASS)
        index = self._decode_index(body, samples, levels, ties_by_class)
        return self._to_values(levels, value_data[1], blank.precision), index

    def _decode_untied(
        self, index_data: memoryview, value_data: memoryview, samples: int, k: int, blank: Labels
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Values and classes whose permutations take no account of ties: the usual case."""
        drop = _dropped(value_data)
        members, permutation = _split_index(index_data)
        layout = float_bits.LAYOUTS[blank.precision]
        if self.step is None and drop >= layout.width:
            raise CorruptError(OUTSIDE)
        index, values, status = kernels().labels_decode(
            members, value_data[2:], permutation, coding.lanes_for(samples * k), samples,
            self.order, ranking.rank_contexts(k), self.sets.lookup, self.gaps.lookup,
            layout.storage if self.step is None else np.int64, drop,
        )  # fmt: skip
        if status:
            raise CorruptError(STATUSES[status])
        if self.step is not None:
            return (values * self.step).astype(np.float32), index
        return float_bits.from_bits(values, blank.precision), index

    def _decode_levels(self, data: memoryview, samples: int, k: int) -> NDArray[np.int64]:
        _dropped(data)
        if data[0] == CONSTANT:
            level, position = varint.decode(data, 2)
            if position != len(data):
                raise CorruptError("bytes too many behind the label values")
            return np.full((samples, k), varint.unzigzag(level), np.int64)
        if data[0] != CODED:
            raise CorruptError("top-k values of unknown form")
        decoded = kernels().levels_decode(
            *coding.split_symbols(data[2:], samples * k), ranking.rank_contexts(k), samples,
            self.step is not None, self.gaps.lookup,
        )  # fmt: skip
        return coding.good(decoded, "label values")

    def _decode_index(
        self, data: memoryview, samples: int, levels: NDArray[np.int64], ties_by_class: bool
    ) -> NDArray[np.int64]:
        k = levels.shape[1]
        members_data, permutation = _split_index(data)
        states, words, extra = coding.split_symbols(members_data, samples * k)
        members = coding.good(
            kernels().set_decode(states, words, extra, samples, k, self.order, self.sets.lookup),
            "kept classes",
        )
        states, words = coding.split_rans(permutation, samples * k)
        coded_levels = levels if ties_by_class else ranking.distinct((samples, k))
        decoded = kernels().order_decode(states, words, coded_levels, members)
        return coding.good(decoded, "class ranks")

    def _to_values(
        self, levels: NDArray[np.int64], drop: int, precision: Precision
    ) -> NDArray[Any]:
        if self.step is not None:
            return (levels * self.step).astype(np.float32)
        layout = float_bits.LAYOUTS[precision]
        width = layout.width - drop
        if width < 1:
            raise CorruptError(OUTSIDE)
        bits, status = kernels().level_bits(levels, width, drop, layout.storage)
        if status:
            raise CorruptError(OUTSIDE)
        return float_bits.from_bits(bits, precision)

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """Symbol counts and coded bytes of the entropy-coded streams, by component.

        Args:
            labels: labels returned by `TopK.prepare`, or decoded ones.
            sizes: bytes of each stream.
        """
        groups = [self.ranking(group) for _, group in by_count(labels)]
        ranked = [group for group in groups if group is not None]
        if len(ranked) < len(groups):
            return {}
        intervals = [kernels().order_intervals(group.ranks, group.coded_levels) for group in ranked]
        arranged = sum(
            float((SLOT_BITS - np.log2((part & 0xFFFF).astype(np.float64))).sum())
            for part in intervals
        )
        members = coding.concatenate(
            [coding.tokenise(group.gaps, group.contexts) for group in ranked]
        )
        counts = sizes.get(LABEL_COUNT, 0)
        use = coding.usage(members, SET_CONTEXTS, ALPHABET, sizes[LABEL_INDEX] + counts)
        fixed_bits = use.fixed_bits + arranged + 8 * counts
        used = {LABEL_INDEX.component: replace(use, fixed_bits=fixed_bits)}
        falls = [
            coding.tokenise(group.values, group.value_contexts)
            for group in ranked
            if group.values is not None
        ]
        if falls:
            used[LABEL_VALUES.component] = coding.usage(
                coding.concatenate(falls), VALUE_CONTEXTS, ALPHABET, sizes[LABEL_VALUES]
            )
        return used


def _within(value: NDArray[Any], step: float) -> bool:
    """Whether all values are finite and few enough steps from zero to be coded as tokens."""
    with np.errstate(invalid="ignore"):
        return bool((np.abs(value.astype(np.float64) / step) < MAX_INTEGER // 2 - 1).all())


def _dropped(data: memoryview) -> int:
    """Number of low bits that the values of a LABEL_VALUES stream lack.

    Raises:
        CorruptError: it is too short, or drops more bits than a value has.
    """
    if len(data) < 3 or data[1] >= 32:
        raise CorruptError("top-k values of impossible shape")
    return data[1]


def _unframed(data: memoryview) -> tuple[memoryview, memoryview]:
    """The next part of a stream in groups, of 2 bytes and more, and what follows it.

    Raises:
        CorruptError: the part is longer than the stream, or too short.
    """
    part, rest = varint.unframed(data, "top-k labels of a group")
    if len(part) < 2:
        raise CorruptError(f"a part of top-k labels of {len(part)} bytes")
    return part, rest


def _split_index(data: memoryview) -> tuple[memoryview, memoryview]:
    """Split a LABEL_INDEX stream behind its head into class sets and permutations.

    Raises:
        CorruptError: the class sets are longer than the stream.
    """
    length, position = varint.decode(data, 0)
    split = position + length
    if split > len(data):
        raise CorruptError("the kept classes are longer than their stream")
    return data[position:split], data[split:]


def _need(streams: Mapping[Stream, memoryview], stream: Stream) -> memoryview:
    """The data of a stream.

    Raises:
        CorruptError: the stream is missing or too short.
    """
    data = streams.get(stream)
    if data is None or len(data) < 2:
        raise CorruptError(f"the {stream.component} stream is missing")
    return data

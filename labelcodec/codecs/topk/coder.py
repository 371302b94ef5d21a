"""The topk codec with its fitted tables: labels to streams and back (SPEC, section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Precision
from labelcodec.codecs import class_order, float_bits
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.components import LABEL_FLOOR, LABEL_INDEX, LABEL_VALUES, Stream
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
from labelcodec.wording import counted

kernels = partial(implementation, "labelcodec.codecs.topk")


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
        assert labels.index is not None
        if self.step is not None and not _within(labels.value, self.step):
            return None
        levels = self._levels(labels)
        return ranking.rank(self.position, labels.index, levels, self.step is not None)

    def _levels(self, labels: Labels) -> NDArray[np.int64]:
        """Values as order-preserving integers, without the trailing zero bits that are dropped."""
        if self.step is not None:
            return np.rint(labels.value.astype(np.float64) / self.step).astype(np.int64)
        bits, drop = float_bits.to_bits(labels.value, labels.precision), self._drop(labels)
        return float_bits.to_levels(bits >> drop, float_bits.LAYOUTS[labels.precision].width - drop)

    def _drop(self, labels: Labels) -> int:
        """Number of trailing bits that are zero in all values; 0 with a step."""
        if self.step is not None:
            return 0
        return float_bits.trailing_zeros(float_bits.to_bits(labels.value, labels.precision))

    def encode(self, labels: Labels, context: BatchContext | None = None) -> dict[Stream, bytes]:
        """Encode the labels of a batch.

        Args:
            labels: labels returned by `TopK.prepare`.
            context: ignored.

        Returns:
            The LABEL_INDEX and LABEL_VALUES streams, and LABEL_FLOOR for labels with a floor.
        """
        assert labels.index is not None
        k = varint.encode(labels.index.shape[1])
        streams = {}
        if labels.floor is not None:
            streams[LABEL_FLOOR] = packing.pack_floats(labels.floor)
        ranked = self.ranking(labels)
        if ranked is None:
            streams[LABEL_INDEX] = bytes([PLAIN]) + k + packing.pack_ints(labels.index)
            values = packing.pack_floats(labels.value.ravel())
            streams[LABEL_VALUES] = bytes([PLAIN]) + values
            return streams
        members = coding.encode_values(ranked.gaps.ravel(), ranked.contexts.ravel(), self.sets)
        intervals = kernels().order_intervals(ranked.ranks, ranked.coded_levels)
        form = bytes([CODED | (TIES_BY_CLASS if ranked.ties_by_class else 0)])
        streams[LABEL_INDEX] = (
            form + k + varint.encode(len(members)) + members + coding.encode_intervals(intervals)
        )
        streams[LABEL_VALUES] = self._encode_values(ranked, self._drop(labels))
        return streams

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
        index_data, value_data = (
            _need(streams, LABEL_INDEX),
            _need(streams, LABEL_VALUES),
        )
        k, position = varint.decode(index_data, 1)
        if not 0 < k <= self.classes or samples * k > MAX_CELLS:
            raise CorruptError(
                f"k={k} with {counted(samples, 'sample')} of {counted(self.classes, 'class')}"
            )
        body = index_data[position:]
        kind = "float16" if blank.precision == "float16" and self.step is None else "float32"
        if index_data[0] == PLAIN and value_data[0] == PLAIN:
            flat, rest = packing.unpack_ints(body, samples * k)
            value = packing.unpack_floats(value_data[1:], kind, samples * k).reshape(samples, k)
            index = flat.reshape(samples, k)
            if len(rest) or (index < 0).any() or (index >= self.classes).any():
                raise CorruptError(f"a top-k class outside 0..{self.classes - 1}")
        elif index_data[0] & ~TIES_BY_CLASS == CODED and k <= MAX_K:
            if index_data[0] == CODED == value_data[0]:
                index, levels = self._decode_untied(body, value_data, samples, k)
            else:
                levels = self._decode_levels(value_data, samples, k)
                ties_by_class = bool(index_data[0] & TIES_BY_CLASS)
                index = self._decode_index(body, samples, levels, ties_by_class)
            value = self._to_values(levels, value_data[1], blank.precision)
        else:
            raise CorruptError("top-k labels of unknown form")
        floor = None
        if blank.tail == "floor":
            floor_data = _need(streams, LABEL_FLOOR)
            floor = packing.unpack_floats(floor_data, kind, samples)
        return Labels(self.classes, value, index, blank.space, blank.tail, blank.precision, floor)

    def _decode_untied(
        self, index_data: memoryview, value_data: memoryview, samples: int, k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Classes and levels whose permutations take no account of ties: the usual case."""
        _check_values(value_data)
        members, permutation = _split_index(index_data)
        index, levels, status = kernels().labels_decode(
            coding.split_symbols(members, samples * k),
            coding.split_symbols(value_data[2:], samples * k),
            coding.split_rans(permutation, samples * k),
            samples, self.order, ranking.rank_contexts(k), self.step is not None,
            self.sets.lookup, self.gaps.lookup,
        )  # fmt: skip
        if status:
            part = ("kept classes", "label values", "class ranks")[status - 1]
            raise CorruptError(f"the entropy-coded {part} do not decode")
        return index, levels

    def _decode_levels(self, data: memoryview, samples: int, k: int) -> NDArray[np.int64]:
        _check_values(data)
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
            raise CorruptError("a top-k value outside its type")
        bits, status = kernels().level_bits(levels, width, drop, layout.storage)
        if status:
            raise CorruptError("a top-k value outside its type")
        return float_bits.from_bits(bits, precision)

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """Symbol counts and coded bytes of the entropy-coded streams, by component.

        Args:
            labels: labels returned by `TopK.prepare`, or decoded ones.
            sizes: bytes of each stream.
        """
        ranked = self.ranking(labels)
        if ranked is None:
            return {}
        intervals = kernels().order_intervals(ranked.ranks, ranked.coded_levels)
        arranged = float((SLOT_BITS - np.log2((intervals & 0xFFFF).astype(np.float64))).sum())
        members = coding.tokenise(ranked.gaps, ranked.contexts)
        used = {
            LABEL_INDEX.component: Usage(
                (members.counts(SET_CONTEXTS, ALPHABET),),
                arranged + float(members.widths.sum(dtype=int)),
                sizes[LABEL_INDEX],
            )
        }
        if ranked.values is not None:
            falls = coding.tokenise(ranked.values, ranked.value_contexts)
            used[LABEL_VALUES.component] = coding.usage(
                falls, VALUE_CONTEXTS, ALPHABET, sizes[LABEL_VALUES]
            )
        return used


def _within(value: NDArray[Any], step: float) -> bool:
    """Whether all values are finite and few enough steps from zero to be coded as tokens."""
    with np.errstate(invalid="ignore"):
        return bool((np.abs(value.astype(np.float64) / step) < MAX_INTEGER // 2 - 1).all())


def _check_values(data: memoryview) -> None:
    """Check the head of a LABEL_VALUES stream.

    Raises:
        CorruptError: it is too short, or drops more bits than a value has.
    """
    if len(data) < 3 or data[1] >= 32:
        raise CorruptError("top-k values of impossible shape")


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

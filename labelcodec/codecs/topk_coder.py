"""The topk codec with its tables: labels to streams and back (SPEC, section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Precision
from labelcodec.codecs import classorder, columns, ranking, values
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.ranking import Ranking
from labelcodec.codecs.streams import COMPONENT, Stream
from labelcodec.entropy import coding, tables, tokens, varint
from labelcodec.entropy.backend import coders
from labelcodec.entropy.coding import Usage
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError

PLAIN, CODED, CONSTANT = 0, 1, 2
TIES_BY_CLASS = 0x10
MAX_CELLS = 1 << 21  # B times k


@dataclass(frozen=True, eq=False)
class TopKCoder:
    """The codec with its tables.

    Attributes:
        step: what values are multiples of, None where they keep their bits.
        classes: C.
        order: (C,) class at each position.
        sets: tables of the gaps between positions.
        gaps: tables of the first value and of the gaps between values.
    """

    step: float | None
    classes: int
    order: NDArray[np.int64]
    sets: TableSet
    gaps: TableSet

    @cached_property
    def position(self) -> NDArray[np.int64]:
        """(C,) position of each class."""
        return classorder.inverse(self.order)

    def dump(self) -> dict[str, bytes]:
        """Named parts for the side information."""
        return {
            "order": classorder.dump(self.order),
            "set": tables.dump(self.sets),
            "values": tables.dump(self.gaps),
        }

    def chosen(self) -> dict[str, Any]:
        """Nothing: there was no choice."""
        return {}

    def ranking(self, labels: Labels) -> Ranking | None:
        """Symbols of prepared labels; None for what only the plain form can hold."""
        assert labels.index is not None
        if self.step is not None and not _within(labels.value, self.step):
            return None
        levels = self._levels(labels)
        return ranking.rank(self.position, labels.index, levels, self.step is not None)

    def _levels(self, labels: Labels) -> NDArray[np.int64]:
        """Values as integers in their own order, without the zero bits that are cut off."""
        if self.step is not None:
            return np.rint(labels.value.astype(np.float64) / self.step).astype(np.int64)
        bits, drop = values.to_bits(labels.value, labels.precision), self._drop(labels)
        return values.to_levels(bits >> drop, values.LAYOUTS[labels.precision].width - drop)

    def _drop(self, labels: Labels) -> int:
        """Zero bits at the end of all values; with a step there are no bits."""
        if self.step is not None:
            return 0
        return values.trailing_zeros(values.to_bits(labels.value, labels.precision))

    def encode(self, labels: Labels, pictures: Pictures | None = None) -> dict[Stream, bytes]:
        """Label streams of prepared labels."""
        assert labels.index is not None
        k = varint.encode(labels.index.shape[1])
        streams = {}
        if labels.floor is not None:
            streams[Stream.LABEL_FLOOR] = columns.pack_floats(labels.floor)
        ranked = self.ranking(labels)
        if ranked is None:
            streams[Stream.LABEL_INDEX] = bytes([PLAIN]) + k + columns.pack_ints(labels.index)
            plain = columns.pack_floats(labels.value.ravel())
            streams[Stream.LABEL_VALUES] = bytes([PLAIN]) + plain
            return streams
        members = coding.encode_symbols(ranked.members, self.sets)
        intervals = coders().order_intervals(ranked.ranks, ranked.arrangement)
        form = bytes([CODED | (TIES_BY_CLASS if ranked.ties_by_class else 0)])
        streams[Stream.LABEL_INDEX] = (
            form + k + varint.encode(len(members)) + members + coding.encode_intervals(*intervals)
        )
        streams[Stream.LABEL_VALUES] = self._encode_values(ranked, self._drop(labels))
        return streams

    def _encode_values(self, ranked: Ranking, drop: int) -> bytes:
        if ranked.gaps is None:
            level = varint.zigzag(int(ranked.levels[0, 0]))
            return bytes([CONSTANT, drop]) + varint.encode(level)
        return bytes([CODED, drop]) + coding.encode_symbols(ranked.gaps, self.gaps)

    def decode(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        pictures: Pictures | None = None,
    ) -> Labels:
        """Labels of a batch, as `interface.Coder` says."""
        index_data, value_data = (
            _need(streams, Stream.LABEL_INDEX),
            _need(streams, Stream.LABEL_VALUES),
        )
        k, position = varint.decode(index_data, 1)
        if not 0 < k <= self.classes or samples * k > MAX_CELLS:
            raise CorruptError(f"k={k} with {samples} samples of {self.classes} classes")
        body = index_data[position:]
        kind = "float16" if blank.precision == "float16" and self.step is None else "float32"
        if index_data[0] == PLAIN and value_data[0] == PLAIN:
            flat, rest = columns.unpack_ints(body, samples * k)
            value = columns.unpack_floats(value_data[1:], kind, samples * k).reshape(samples, k)
            index = flat.reshape(samples, k)
            if len(rest) or (index < 0).any() or (index >= self.classes).any():
                raise CorruptError(f"a top-k class outside 0..{self.classes - 1}")
        elif index_data[0] & ~TIES_BY_CLASS == CODED and k <= ranking.MAX_K:
            levels = self._decode_levels(value_data, samples, k)
            ties_by_class = bool(index_data[0] & TIES_BY_CLASS)
            index = self._decode_index(body, samples, levels, ties_by_class)
            value = self._to_values(levels, value_data[1], blank.precision)
        else:
            raise CorruptError("top-k labels of unknown form")
        floor = None
        if blank.tail == "floor":
            floor_data = _need(streams, Stream.LABEL_FLOOR)
            floor = columns.unpack_floats(floor_data, kind, samples)
        return Labels(self.classes, value, index, blank.space, blank.tail, blank.precision, floor)

    def _decode_levels(self, data: memoryview, samples: int, k: int) -> NDArray[np.int64]:
        if len(data) < 3 or data[1] >= 32:
            raise CorruptError("top-k values of impossible shape")
        if data[0] == CONSTANT:
            level, position = varint.decode(data, 2)
            if position != len(data):
                raise CorruptError("bytes too many behind the label values")
            return np.full((samples, k), varint.unzigzag(level), np.int64)
        if data[0] != CODED:
            raise CorruptError("top-k values of unknown form")
        contexts = ranking.value_contexts(k, samples).ravel()
        flat = coding.decode_values(data[2:], contexts, self.gaps, "label values")
        return ranking.levels_of(flat.reshape(k, samples), self.step is not None)

    def _decode_index(
        self, data: memoryview, samples: int, levels: NDArray[np.int64], ties_by_class: bool
    ) -> NDArray[np.int64]:
        k = levels.shape[1]
        length, position = varint.decode(data, 0)
        split = position + length
        if split > len(data):
            raise CorruptError("the kept classes are longer than their stream")
        states, words, extra = coding.split_symbols(data[position:split], samples * k)
        table = self.sets
        members = coding.good(
            coders().set_decode(
                states, words, extra, samples, k, self.classes, table.lookup, table.escape
            ),
            "kept classes",
        )
        states, words = coding.split_rans(data[split:], samples * k)
        arrangement = levels if ties_by_class else ranking.distinct((samples, k))
        decoded = coders().order_decode(states, words, arrangement, self.order[members])
        return coding.good(decoded, "class ranks")

    def _to_values(
        self, levels: NDArray[np.int64], drop: int, precision: Precision
    ) -> NDArray[Any]:
        if self.step is not None:
            return (levels * self.step).astype(np.float32)
        width = values.LAYOUTS[precision].width - drop
        # levels fall along a row
        if width < 1 or int(levels[:, -1].min()) < 0 or int(levels[:, 0].max()) >> width:
            raise CorruptError("a top-k value outside its type")
        return values.from_bits(values.from_levels(levels, width) << drop, precision)

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """Accounting of the entropy-coded streams of prepared labels."""
        ranked = self.ranking(labels)
        if ranked is None:
            return {}
        _, freqs = coders().order_intervals(ranked.ranks, ranked.arrangement)
        arranged = float((12 - np.log2(freqs.astype(np.float64))).sum())
        members = ranked.members
        used = {
            COMPONENT[Stream.LABEL_INDEX]: Usage(
                (members.counts(ranking.SET_CONTEXTS, tokens.ALPHABET),),
                arranged + float(members.widths.sum(dtype=int)),
                sizes[Stream.LABEL_INDEX],
            )
        }
        if ranked.gaps is not None:
            used[COMPONENT[Stream.LABEL_VALUES]] = coding.usage(
                ranked.gaps, ranking.VALUE_CONTEXTS, tokens.ALPHABET, sizes[Stream.LABEL_VALUES]
            )
        return used


def _within(value: NDArray[Any], step: float) -> bool:
    """Whether all values are finite and few enough steps from zero to be tokens."""
    with np.errstate(invalid="ignore"):
        return bool((np.abs(value.astype(np.float64) / step) < tokens.LIMIT // 2 - 1).all())


def _need(streams: Mapping[Stream, memoryview], stream: Stream) -> memoryview:
    data = streams.get(stream)
    if data is None or len(data) < 2:
        raise CorruptError(f"the {COMPONENT[stream]} stream is missing")
    return data

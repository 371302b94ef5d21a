"""Configuration of the dense codec (SPEC, section 7).

Sign, exponent and top mantissa bits of a value form one symbol, entropy-coded in a context that
is predicted from the preceding classes, in an order that places correlated classes next to each
other. The remaining low bits are stored uncompressed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Precision, Tail
from labelcodec.codecs import class_order, float_bits
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.dense.coder import DenseCoder, place_of
from labelcodec.codecs.dense.format import (
    MAX_CONTEXTS,
    MAX_FIXED_POINT,
    MAX_SYMBOLS,
    TOP_MANTISSA,
    UNKNOWN,
)
from labelcodec.codecs.interface import Codec
from labelcodec.entropy import packing, tables
from labelcodec.errors import CorruptError, DataError

UNIT = 32  # width of a context in fixed-point steps
WANTED_CONTEXTS = 64
FAR = 1e6  # larger magnitudes say nothing about correlated classes
TOPK_SOURCE = "the dense codec stores full labels, these are top-k: use topk"


@dataclass(frozen=True)
class Dense(Codec):
    """Configuration of the dense codec; it has no parameters."""

    name = "dense"
    fit_labels = 8192
    lossy = False

    def kept(self, k: int | None, tail: Tail | None) -> tuple[int | None, Tail | None]:
        """What the codec keeps of labels with `k` classes and this tail: everything.

        Raises:
            DataError: the source is top-k.
        """
        if k is not None:
            raise DataError(TOPK_SOURCE)
        return k, tail

    def prepare(
        self,
        labels: Labels,
        allow_nonfinite: bool = True,
        context: BatchContext | None = None,
    ) -> Labels:
        """The labels unchanged, after validation; NaN and infinities are kept.

        Raises:
            DataError: the labels are top-k, or their values are not of their precision.
        """
        if labels.index is not None:
            raise DataError(TOPK_SOURCE)
        float_bits.check_type(labels)
        return labels

    def fit(
        self,
        samples: Iterable[Labels],
        classes: int,
        expected: int | None = None,
        contexts: Sequence[BatchContext] = (),
    ) -> DenseCoder:
        """Fit the codec's tables to sample labels.

        Args:
            samples: labels returned by `prepare`.
            classes: C.
            expected: ignored.
            contexts: ignored.
        """
        batches = list(samples)
        precision: Precision = batches[0].precision if batches else "float16"
        layout = float_bits.LAYOUTS[precision]
        shift = layout.mantissa - TOP_MANTISSA
        order = class_order.fit((_finite(labels.value) for labels in batches), classes)
        high = [
            float_bits.to_bits(labels.value, precision)[:, order] >> shift for labels in batches
        ]
        seen = np.zeros(1 << (layout.width - shift), np.int64)
        for part in high:
            seen += np.bincount(part.ravel(), minlength=len(seen))
        patterns = np.sort(
            np.argsort(-seen, kind="stable")[: min(MAX_SYMBOLS, int((seen > 0).sum()))]
        )
        middle = _middles(patterns, shift, precision)
        scaled = np.rint(middle * _scale(middle, seen[patterns]))
        places = np.clip(scaled, -MAX_FIXED_POINT, MAX_FIXED_POINT).astype(np.int64)
        fixed = place_of(patterns, places, len(seen))
        settled = np.where(fixed == UNKNOWN, 0, fixed)
        total = sum((settled[part].sum(axis=0) for part in high), np.zeros(classes, np.int64))
        mean = np.rint(total / max(sum(map(len, high)), 1)).astype(np.int64)
        base = int(mean.min()) - UNIT * WANTED_CONTEXTS // 2
        blank = tables.fit(np.zeros((MAX_CONTEXTS, len(patterns)), np.int64))
        coder = DenseCoder(precision, order, patterns, places, mean, base, blank)
        counts = np.zeros((MAX_CONTEXTS, len(patterns) + 1), np.int64)
        for part in high:
            counts += coder.symbols(part).counts(*counts.shape)
        used = np.flatnonzero(counts.sum(axis=1))
        first, stop = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
        table = tables.fit(counts[first:stop, :-1])
        return DenseCoder(precision, order, patterns, places, mean, base + UNIT * first, table)

    def from_parts(self, parts: Mapping[str, bytes], classes: int) -> DenseCoder:
        """Deserialize a coder from the named parts that its `to_parts` wrote.

        Args:
            parts: the named parts of the side information.
            classes: C.

        Raises:
            CorruptError: a part is missing or malformed.
        """
        try:
            order = class_order.from_bytes(parts["order"], classes)
            table = tables.from_bytes(parts["table"])
            patterns, rest = packing.unpack_ints(memoryview(parts["symbols"]), table.escape)
            places, rest = packing.unpack_ints(rest, table.escape)
            mean, rest = packing.unpack_ints(rest, classes)
            base, rest = packing.unpack_ints(rest, 1)
            precision = parts["precision"].decode("ascii", "replace")
        except KeyError as missing:
            raise CorruptError(f"the dense tables lack {missing}") from None
        if precision not in float_bits.LAYOUTS:
            raise CorruptError(f"dense tables for values of type {precision!r}")
        for name, array in (("places", places), ("means", mean), ("base", base)):
            if array.size and int(np.abs(array).max()) > 2 * MAX_FIXED_POINT:
                raise CorruptError(f"the dense tables' {name} are out of range")
        layout = float_bits.LAYOUTS[precision]
        if (patterns < 0).any() or (
            patterns >> (layout.width - layout.mantissa + TOP_MANTISSA)
        ).any():
            raise CorruptError("the dense tables name an impossible symbol")
        if len(rest) or len(table.freqs) > MAX_CONTEXTS or (np.diff(patterns) <= 0).any():
            raise CorruptError("the dense tables are malformed")
        return DenseCoder(precision, order, patterns, places, mean, int(base[0]), table)


def _finite(value: NDArray[Any]) -> NDArray[np.float32]:
    """Rows less their mean: non-finite values become 0, and values are clipped to ±`FAR` first."""
    good = np.isfinite(value)
    wide = np.clip(np.where(good, value, 0).astype(np.float32), -FAR, FAR)
    mean = wide.sum(axis=1, keepdims=True) / np.maximum(good.sum(axis=1, keepdims=True), 1)
    return np.where(good, wide - mean, 0)


def _middles(patterns: NDArray[np.int64], shift: int, precision: Precision) -> NDArray[np.float64]:
    """Middle value of each symbol's interval; 0 for symbols of NaN and infinities."""
    bits = (patterns << shift) + (1 << (shift - 1))
    value = float_bits.from_bits(bits, precision)
    return np.where(np.isfinite(value), value, 0).astype(np.float64)


def _scale(middle: NDArray[np.float64], seen: NDArray[np.int64]) -> float:
    """Power of two that spreads nearly all values over about `WANTED_CONTEXTS` contexts."""
    if not len(middle):
        return 1.0
    order = np.argsort(middle)
    share = np.cumsum(seen[order]) / max(int(seen.sum()), 1)
    first, last = np.searchsorted(share, [0.0005, 0.9995]).tolist()
    low, high = middle[order[first]], middle[order[min(last, len(order) - 1)]]
    spread = max(float(high - low), 2.0**-20)
    return float(2.0 ** np.clip(np.round(np.log2(WANTED_CONTEXTS * UNIT / spread)), -40, 40))

"""dense: every logit bit for bit, high bits predicted from like classes (SPEC, section 7).

A value's sign, exponent and top mantissa bits are one symbol, coded in the context of what the
classes before it (in an order that puts like classes together) say; the low bits are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Precision, Tail
from labelcodec.codecs import classorder, columns, values
from labelcodec.codecs.dense_coder import TOP_MANTISSA, DenseCoder, place_of
from labelcodec.codecs.pictures import Pictures
from labelcodec.entropy import tables
from labelcodec.entropy.plain import UNKNOWN
from labelcodec.errors import CorruptError, DataError

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
        fixed = place_of(known, places, len(seen))
        settled = np.where(fixed == UNKNOWN, 0, fixed)
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

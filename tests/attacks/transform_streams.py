"""Hostile label sets of the transform codec: streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from labelcodec.codecs.transform.format import COEFFICIENT_CONTEXTS
from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.errors import CorruptError
from tests.attacks.labelset import RANK, Cases, LabelSet, add, changed, transform, transform_coder

CLASSES, SAMPLES = 12, 8
CASES: Cases = {}


def _case(name: str, change: Callable[[LabelSet], Any]) -> None:
    add(CASES, f"transform_{name}", changed(transform, change), CorruptError)


def _stream(number: int, data: bytes | None) -> Callable[[LabelSet], Any]:
    if data is None:
        return lambda made: made.streams.pop(number)
    return lambda made: made.streams.update({number: data})


def _coded(values: list[int], table: tables.TableSet) -> bytes:
    """Values in context 0."""
    return coding.encode_values(np.array(values), np.zeros(len(values), int), table)


def _gaps(peaks: int, counts: list[int]) -> Callable[[LabelSet], Any]:
    """Counts of peaks, and nothing behind them."""
    return lambda made: made.streams.update(
        {9: varint.encode(peaks) + _coded(counts, transform_coder().model.gaps)}
    )


for _name, _peaks, _counts in (
    ("counts_above_classes", CLASSES + 1, [CLASSES + 1] + [0] * 7),
    ("counts_above_the_sum", 3, [1] * 8),
    ("counts_below_the_sum", 9, [1] * 8),
    ("counts_2_32", 3, [(1 << 32) - 1] * 8),
    ("counts_without_gaps", 8, [1] * 8),
    ("gaps_behind_none", 0, [0] * 9),
):
    _case(_name, _gaps(_peaks, _counts))


def _last_place(made: LabelSet) -> None:
    """One label with a peak at place C."""
    table = transform_coder().model.gaps
    contexts = np.array([0] * SAMPLES + [1])
    gaps = np.array([1] + [0] * 7 + [CLASSES])
    made.streams[9] = varint.encode(1) + coding.encode_values(gaps, contexts, table)


_case("place_above_classes", _last_place)
for _name, _bytes in {
    "missing": None,
    "empty": b"",
    "peaks_2_23": varint.encode(1 << 23) + bytes(99),
    "peaks_huge": varint.encode((1 << 63) - 1) + bytes(99),
    "peaks_cut": b"\xff",
    "length": b"\0" + varint.encode(1 << 62),
    "zeros": b"\0\4" + bytes(99),
    "ones": b"\x08\x20" + b"\xff" * 99,
}.items():
    _case(f"gaps_stream_{_name}", _stream(9, _bytes))


def _no_peaks_but(values: list[int]) -> Callable[[LabelSet], Any]:
    """No peak, and these coefficients."""

    def apply(made: LabelSet) -> None:
        _gaps(0, [0] * SAMPLES)(made)
        thresholds = packing.pack_ints(np.full(RANK, 1 << 60)) * 3  # all is in context 0
        made.labels["contexts"] = packing.pack_ints(np.zeros(RANK, int)) + thresholds
        made.streams[10] = _coded(values, transform_coder().model.values)

    return apply


_COUNT = SAMPLES * RANK
_case("coefficient_above", _no_peaks_but([1 << 16] + [0] * (_COUNT - 1)))
_case("coefficient_below", _no_peaks_but([0] * (_COUNT - 1) + [(1 << 16) - 1]))
_case("coefficients_too_few", _no_peaks_but([0] * (_COUNT - 1)))
_case("coefficients_too_many", _no_peaks_but([0] * (_COUNT + 1)))


def _residual(made: LabelSet) -> None:
    """A residual of 2^24 + 1 steps at the first place of the first label."""
    _no_peaks_but([0] * _COUNT)(made)
    gaps = np.array([1] + [0] * 7 + [0]), np.array([0] * SAMPLES + [1])
    made.streams[9] = varint.encode(1) + coding.encode_values(*gaps, transform_coder().model.gaps)
    values = np.array([0] * _COUNT + [2 * ((1 << 24) + 1)])
    contexts = np.array([0] * _COUNT + [COEFFICIENT_CONTEXTS])
    made.streams[10] = coding.encode_values(values, contexts, transform_coder().model.values)


_case("residual_above", _residual)
for _name, _bytes in {
    "missing": None,
    "empty": b"",
    "length": varint.encode(1 << 62),
    "zeros": b"\4" + bytes(99),
    "ones": b"\x20" + b"\xff" * 99,
}.items():
    _case(f"values_stream_{_name}", _stream(10, _bytes))
for _number in (9, 10):
    _case(
        f"stream_{_number}_long",
        lambda made, at=_number: made.streams.update({at: made.streams[at] + b"\0"}),
    )
for _count in (7, 9, 1 << 16, 1 << 20):
    _case(f"samples_{_count}", lambda made, count=_count: setattr(made, "samples", count))

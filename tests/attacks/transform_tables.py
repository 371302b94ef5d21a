"""Hostile label sets of the transform codec: headers and tables."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from labelcodec.codecs.transform.format import GAP_CONTEXTS, MAX_ENTRIES
from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.errors import UnsupportedError
from tests.attacks.labelset import (
    RANK,
    Cases,
    LabelSet,
    adder,
    numbers,
    transform,
    transform_coder,
)

CLASSES = 12
CASES: Cases = {}

_case = adder(CASES, "transform", transform)


# header

for _name, _labels in {
    "space": {"space": "probabilities"},
    "tail": {"tail": "zero"},
    "k": {"k": 4, "tail": "zero"},
}.items():
    _case(f"header_{_name}", lambda made, new=_labels: made.header["labels"].update(new))
_case("header_fewer_classes", lambda made: made.header.update(classes=RANK - 1))
_case("header_more_classes", lambda made: made.header.update(classes=CLASSES + 1))
_case("header_most_classes", lambda made: made.header.update(classes=1 << 20), memory=32)
for _name, _config in {
    "empty": {},
    "unknown": {"rank": 3, "step": 1, "peaks": 2, "depth": 1},
    "rank": {"rank": 1 << 40, "step": 1, "peaks": 2},
    "budget": {"bytes": float("nan")},
    "quality": {"tv4": [1]},
}.items():
    _case(
        f"config_{_name}",
        lambda made, new=_config: made.header["codec"].update(config=new),
        UnsupportedError,
    )

# tables


def _part(name: str, data: bytes | None) -> Callable[[LabelSet], Any]:
    if data is None:
        return lambda made: made.labels.pop(name)
    return lambda made: made.labels.update({name: data})


for _name in ("frame", "basis", "contexts", "values", "gaps", "price"):
    _case(f"{_name}_missing", _part(_name, None))
    _case(f"{_name}_empty", _part(_name, b""))
    _case(f"{_name}_cut", lambda made, at=_name: made.labels.update({at: made.labels[at][:-1]}))
    _case(f"{_name}_long", lambda made, at=_name: made.labels.update({at: made.labels[at] + b"\1"}))


def _frame(**change: Any) -> Callable[[LabelSet], Any]:
    """The frame with other numbers; a value is broadcast over an array."""

    def apply(made: LabelSet) -> None:
        basis = transform_coder().basis
        wide = {
            name: np.full(np.shape(getattr(basis, name)), value, np.int64)
            if np.ndim(getattr(basis, name))
            else value
            for name, value in change.items()
        }
        made.labels |= replace(basis, **wide).to_parts()

    return apply


for _name, _change in {
    "point_0": {"point": 0},
    "point_61": {"point": 61},
    "point_huge": {"point": 1 << 62},
    "peak_0": {"peak": 0},
    "peak_above": {"peak": (1 << 24) + 1},
    "shift_29": {"shift": 29},
    "scale_0": {"scale": 0},
    "scale_negative": {"scale": -5},
    "scale_above": {"scale": 1 << 31},
    "scale_far_above": {"scale": 1 << 61},
    "scale_beyond_exact_sums": {"scale": (1 << 31) - 1, "entries": 1 << 14},
    "tail_above": {"tail": (1 << 29) + 1},
    "tail_far_below": {"tail": -(1 << 62)},
    "mean_above": {"mean": (1 << 21) + 1},
    "mean_far_above": {"mean": 1 << 61},
}.items():
    _case(f"frame_{_name}", _frame(**_change))


def _rank(rank: int, classes: int = CLASSES) -> Callable[[LabelSet], Any]:
    """Numbers that would do, for another rank."""

    def apply(made: LabelSet) -> None:
        made.header["classes"] = classes
        counts = (min(rank, 1 << 12), 48, classes)
        packed = (packing.pack_ints(np.ones(count, np.int64)) for count in counts)
        made.labels["frame"] = numbers(4, rank, 1, 1) + b"".join(packed)
        made.labels["contexts"] = packing.pack_ints(np.zeros(counts[0], np.int64)) * 4

    return apply


for _value in (0, RANK - 1, RANK + 1, CLASSES + 1, 1025, 1 << 62):
    _case(f"rank_{_value}", _rank(_value))


def _basis(values: np.ndarray, column: int = 0) -> bytes:
    """Coded entries in one context, whose table knows only zeros."""
    table = tables.fit(np.array([[1] + [0] * 123]))
    contexts = np.zeros(len(values), np.int64)
    coded, stored = coding.encode_values(values, contexts, table), tables.to_bytes(table)
    classes = packing.pack_ints(np.full(RANK, column, np.int64))
    return classes + varint.encode(len(stored)) + stored + coded


_ENTRIES = np.zeros(RANK * CLASSES, np.int64)
_case("basis_column_of_no_table", _part("basis", _basis(_ENTRIES, 1)))
_case("basis_column_negative", _part("basis", _basis(_ENTRIES, -1)))
_case("basis_entry_above", _part("basis", _basis(_ENTRIES + (1 << 16))))
_case("basis_entry_far_above", _part("basis", _basis(_ENTRIES + (1 << 32) - 1)))
_case("basis_too_few", _part("basis", _basis(_ENTRIES[1:])))
_case("basis_tables_huge", _part("basis", b"\0\0" + varint.encode(1 << 62)))
_case("basis_zeros", _part("basis", bytes(99)))
_case("basis_ones", _part("basis", b"\xff" * 99))


def _large_basis(entries: int, classes: int) -> Callable[[LabelSet], Any]:
    """A basis of zeros, in hardly any bytes."""

    def apply(made: LabelSet) -> None:
        rank = entries // classes
        _rank(rank, classes)(made)
        table = tables.to_bytes(tables.fit(np.array([[1] + [0] * 123])))
        head = packing.pack_ints(np.zeros(rank, np.int64)) + varint.encode(len(table)) + table
        made.labels["basis"] = head + varint.encode(128) + struct.pack("<32I", *[1 << 16] * 32)
        made.samples = 8

    return apply


_case("basis_2_30_entries", _large_basis(1 << 30, 1 << 20), memory=64)
_case("basis_2_24_entries", _large_basis(MAX_ENTRIES, 1 << 20), memory=256)


def _contexts(*columns_of: int) -> bytes:
    return b"".join(packing.pack_ints(np.full(RANK, value)) for value in columns_of)


_case("contexts_class_12", _part("contexts", _contexts(12, 1, 2, 3)))
_case("contexts_class_negative", _part("contexts", _contexts(-1, 1, 2, 3)))
_case("contexts_class_huge", _part("contexts", _contexts(1 << 61, 1, 2, 3)))
for _name, _data in {
    "one_context": numbers(1, 125, 0, 0),
    "contexts_huge": numbers(1 << 60, 4),
    "symbols_huge": numbers(GAP_CONTEXTS, 1 << 60),
    "row_huge": numbers(GAP_CONTEXTS, 125, 0, 1 << 62),
    "sum": numbers(GAP_CONTEXTS, 125, 0, 2, 4000, 96),
}.items():
    _case(f"values_{_name}", _part("values", _data))
    _case(f"gaps_{_name}", _part("gaps", _data))
for _name, _price in {"negative": -1.0, "nan": np.nan, "infinite": np.inf}.items():
    _case(f"price_{_name}", _part("price", struct.pack("<d", _price)))
_case("reached_short", _part("reached", bytes(51)))
_case("reached_long", _part("reached", bytes(53)))
_case("reached_nan", _part("reached", b"\xff" * 52))


def _means(
    images: int = 4, height: int = 8, width: int = 8, kept: int = 128, unit: int = 1
) -> Callable[[LabelSet], Any]:
    """A table of means whose entries are all 0; the label set has none of its own."""
    scales = packing.pack_ints(np.full(8, kept)) + packing.pack_ints(np.full(RANK, unit))
    entries = _basis(np.zeros(RANK * 4, np.int64))
    return _part("means", numbers(images, height, width) + scales + entries)


for _name, _table in {
    "no_images": _means(images=0),
    "too_many_images": _means(images=MAX_ENTRIES // RANK + 1),
    "images_huge": _means(images=1 << 62),
    "entries_missing": _means(images=5),
    "entries_left": _means(images=3),
    "height_0": _means(height=0),
    "width_above": _means(width=(1 << 20) + 1),
    "kept_negative": _means(kept=-1),
    "kept_above": _means(kept=256),
    "unit_0": _means(unit=0),
    "unit_huge": _means(unit=1 << 61),
    "empty": _part("means", b""),
    "zeros": _part("means", bytes(99)),
}.items():
    _case(f"means_{_name}", _table)

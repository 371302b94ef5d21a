"""Hostile label sets: side information and image names."""

from __future__ import annotations

import struct
from functools import partial
from typing import Any

import msgpack
import numpy as np
import zstandard

from labelcodec.entropy import packing, tables
from labelcodec.errors import CorruptError
from tests.attacks.labelset import Case, Cases, LabelSet, add, dense, numbers, valid

CASES: Cases = {}
_case = partial(add, CASES)

# side information


def _side(data: bytes) -> Case:
    def make() -> LabelSet:
        made = valid()
        made.side = data
        return made

    return make


def _long_list() -> LabelSet:
    """Thirty million empty maps in 32 MiB, in a frame of some kilobytes."""
    count = 1 << 25
    made = valid()
    made.side = zstandard.compress(b"\xdd" + struct.pack(">I", count) + b"\x80" * count)
    return made


def _bomb() -> LabelSet:
    made = valid()
    made.side = zstandard.compress(bytes(1 << 29))
    return made


def _large_part() -> LabelSet:
    made = valid()
    made.labels["order"] = bytes((1 << 26) - 5000)
    return made


_case("side_empty", _side(b""), CorruptError)
_case("side_no_frame", _side(b"tables"), CorruptError)
_case("side_list", _side(zstandard.compress(msgpack.packb([1, 2]))), CorruptError)
_case("side_deep", _side(zstandard.compress(b"\x81\xa1a" * 100_000 + b"\x80")), CorruptError)
_case("side_bomb", _bomb, CorruptError)
_case("side_long_list", _long_list, CorruptError, 48)
_case("side_large_part", _large_part, CorruptError, 200)


def _part(base: Case, group: str, part: str, data: bytes) -> Case:
    def make() -> LabelSet:
        made = base()
        getattr(made, group)[part] = data
        return made

    return make


_TABLES = {
    "empty": b"",
    "contexts_huge": numbers(1 << 60, 4),
    "symbols_huge": numbers(17, 1 << 60),
    "row_huge": numbers(17, 125, 0, 1 << 62),
    "sum": numbers(17, 125, 0, 2, 4000, 96),
    "cut": numbers(17, 125, 0, 1, 4000),
    "one_context": numbers(1, 125, 0, 0),
    "most_contexts": numbers(1024, 256) + bytes(2048),
}
for _name, _data in _TABLES.items():
    _case(f"topk_set_{_name}", _part(valid, "labels", "set", _data), CorruptError)
    _case(f"topk_values_{_name}", _part(valid, "labels", "values", _data), CorruptError)
    _case(f"crop_height_{_name}", _part(valid, "crop", "height", _data), CorruptError)
    _case(f"crop_width_{_name}", _part(valid, "crop", "width", _data), CorruptError)
    _case(f"dense_table_{_name}", _part(dense, "labels", "table", _data), CorruptError)

_ORDERS = {
    "twice": packing.pack_ints(np.zeros(12, int)),
    "outside": packing.pack_ints(np.arange(12) + 1),
    "far_outside": packing.pack_ints(np.array([*range(11), 1 << 61])),
    "short": packing.pack_ints(np.arange(5)),
    "long": packing.pack_ints(np.arange(40)),
}
for _name, _data in _ORDERS.items():
    _case(f"topk_order_{_name}", _part(valid, "labels", "order", _data), CorruptError)
    _case(f"dense_order_{_name}", _part(dense, "labels", "order", _data), CorruptError)

for _name, _data in {
    "none": b"\0\0",
    "huge": numbers(1 << 24, 1 << 24),
    "beyond": numbers(1 << 62, 1),
    "other": numbers(1, 1),
}.items():
    _case(f"crop_size_{_name}", _part(valid, "crop", "size", _data), CorruptError)

_case("dense_precision", _part(dense, "labels", "precision", b"float64"), CorruptError)


def _symbols(**change: Any) -> Case:
    """Dense tables whose numbers are others."""

    def make() -> LabelSet:
        made = dense()
        count = tables.from_bytes(made.labels["table"]).escape
        numbers: dict[str, Any] = {
            "known": np.arange(count),
            "places": np.zeros(count, int),
            "mean": np.zeros(12, int),
            "base": np.zeros(1, int),
        }
        for name, value in change.items():
            numbers[name] = numbers[name] * 0 + value
        made.labels["symbols"] = b"".join(map(packing.pack_ints, numbers.values()))
        return made

    return make


for _name, _change in {
    "known_above": {"known": 512},
    "known_far_above": {"known": 1 << 61},
    "known_negative": {"known": -1},
    "places": {"places": 1 << 60},
    "places_negative": {"places": -(1 << 60)},
    "mean": {"mean": (1 << 25) + 1},
    "base": {"base": 1 << 61},
    "base_negative": {"base": -(1 << 61)},
}.items():
    _case(f"dense_{_name}", _symbols(**_change), CorruptError)


# names


def _names(text: bytes, *, declared: bool = True) -> Case:
    def make() -> LabelSet:
        made = valid()
        made.names = zstandard.ZstdCompressor(write_content_size=declared).compress(text)
        return made

    return make


_case("names_bomb", _names(bytes((1 << 26) + 1)), CorruptError)
_case("names_many", _names(b"\n" * (1 << 26)), CorruptError, 200)
_case("names_undeclared", _names(b"a\nb", declared=False), CorruptError)


def _names_no_frame() -> LabelSet:
    made = valid()
    made.names = b"names"
    return made


_case("names_no_frame", _names_no_frame, CorruptError)

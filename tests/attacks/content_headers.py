"""Hostile label sets: headers and numbers of samples that do not fit the content."""

from __future__ import annotations

import struct
from functools import partial
from typing import Any

import numpy as np

from labelcodec.entropy import packing, tables, varint
from labelcodec.errors import CorruptError, FormatError, UnsupportedError
from tests.attacks.labelset import Case, Cases, LabelSet, add, dense, valid

CASES: Cases = {}
_case = partial(add, CASES)

# headers


def _with_header(base: Case, **change: Any) -> Case:
    def make() -> LabelSet:
        made = base()
        for path, value in change.items():
            keys = path.split("__")
            at = made.header
            for key in keys[:-1]:
                at = at[key]
            at[keys[-1]] = value
        return made

    return make


for _name, _change in {
    "classes_none": {"classes": 0},
    "classes_negative": {"classes": -1},
    "classes_huge": {"classes": 1 << 40},
    "classes_text": {"classes": "12"},
    "classes_yes": {"classes": True},
    "k_none": {"labels__k": 0},
    "k_above_classes": {"labels__k": 13},
    "k_float": {"labels__k": 4.0},
    "space_unknown": {"labels__space": "odds"},
    "space_list": {"labels__space": ["logits"]},
    "precision_unknown": {"labels__precision": "float8"},
    "tail_unknown": {"labels__tail": "long"},
    "labels_list": {"labels": [1]},
    "codec_text": {"codec": "topk"},
    "config_list": {"codec__config": []},
    "image_size_three": {"image_size": [1, 2, 3]},
    "image_size_text": {"image_size": ["a", "b"]},
    "images_text": {"images": "many"},
    "content_list": {"content": [1]},
    "creator_missing": {"creator": None},
}.items():
    _case(f"header_{_name}", _with_header(valid, **_change), FormatError)

for _name, _change in {
    "name": {"codec__name": "zip"},
    "key": {"codec__config": {"depth": 3}},
    "infinite_k": {"codec__config": {"k": float("inf")}},
    "huge_k": {"codec__config": {"k": (1 << 64) - 1}},
    "negative_k": {"codec__config": {"k": -1}},
    "nan_step": {"codec__config": {"step": float("nan")}},
    "nested_step": {"codec__config": {"step": [[[]]]}},
    "tail": {"codec__config": {"tail": {"a": 1}}},
}.items():
    _case(f"codec_{_name}", _with_header(valid, **_change), UnsupportedError)

_case("topk_without_k", _with_header(valid, labels__k=None), CorruptError)
_case("topk_of_more_than_k", _with_header(valid, codec__config={"k": 9}), CorruptError)
_case("topk_of_another_k", _with_header(valid, labels__k=3), CorruptError)
_case("topk_of_other_classes", _with_header(valid, classes=13, labels__k=4), CorruptError)
_case("dense_of_other_precision", _with_header(dense, labels__precision="float32"), CorruptError)
_case("floor_missing", _with_header(valid, labels__tail="floor"), CorruptError)


def _dense_with_k() -> LabelSet:
    """A small k in the header hides that a batch has 2^36 values, stored in no bytes."""
    made = dense()
    classes = 1 << 20
    made.header["classes"] = classes
    made.header["labels"].update(k=1, tail="zero")
    made.labels = {
        "order": b"",
        "precision": b"float16",
        "table": tables.to_bytes(tables.fit(np.ones((1, 1), np.int64))),
        "symbols": packing.pack_ints(np.zeros(1, int)) * 2
        + packing.pack_ints(np.zeros(classes, int))
        + packing.pack_ints(np.zeros(1, int)),
    }
    rans = struct.pack("<32I", *[1 << 16] * 32)
    head = bytes([1, 7]) + varint.encode(len(rans)) + varint.encode(0)
    made.samples = 1 << 16
    made.streams = {1: packing.pack_ints(np.zeros(1, int)), 10: head + rans}
    return made


_case("dense_with_k", _dense_with_k, CorruptError)


# numbers of samples


def _samples(base: Case, samples: int) -> Case:
    def make() -> LabelSet:
        made = base()
        made.samples = samples
        return made

    return make


for _count in (7, 9, 1 << 16, (1 << 16) + 1, 1 << 20):
    _case(f"samples_{_count}", _samples(valid, _count), CorruptError)
    _case(f"dense_samples_{_count}", _samples(dense, _count), CorruptError, 64)


def _wide(classes: int, samples: int) -> Case:
    """More values than a batch may have, named by headers and index only."""

    def make() -> LabelSet:
        made = dense()
        made.header["classes"], made.samples = classes, samples
        return made

    return make


_case("dense_2_36_values", _wide(1 << 20, 1 << 16), CorruptError)
_case("dense_2_24_values", _wide(1 << 12, 1 << 12), CorruptError)


def _cells() -> LabelSet:
    """2^23 top-k cells: fewer than a batch's values, more than a reader holds."""
    made = valid()
    made.header["classes"] = 1 << 20
    made.header["labels"]["k"] = 1 << 10
    made.labels["order"] = b""
    made.samples = 1 << 13
    made.streams[9] = bytes([1]) + varint.encode(1 << 10) + made.streams[9][2:]
    return made


_case("topk_2_23_cells", _cells, CorruptError)

"""Hostile label sets of the dense2 codec: header, tables and the stream of labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from labelcodec.codecs.components import LABEL_VALUES
from labelcodec.codecs.dense2.codec import Dense2
from labelcodec.codecs.dense2.coder import Dense2Coder
from labelcodec.codecs.dense2.format import (
    MAX_CONTEXTS,
    MAX_FIRST,
    MAX_MEAN,
    MAX_RANK,
    MAX_SHIFT,
    MAX_THRESHOLD,
    MAX_WEIGHT,
)
from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.errors import UnsupportedError
from tests.attacks.labelset import DENSE2_RANK as RANK
from tests.attacks.labelset import Cases, LabelSet, adder, dense2, numbers

CLASSES, SAMPLES = 12, 8
CASES: Cases = {}

_case = adder(CASES, "dense2", dense2)


def _coder(made: LabelSet) -> Dense2Coder:
    return Dense2(RANK).from_parts(made.labels, CLASSES)


# header and numbers of samples

_case("header_k", lambda made: made.header["labels"].update(k=4, tail="zero"))
_case("header_precision", lambda made: made.header["labels"].update(precision="float32"))
_case("header_fewer_classes", lambda made: made.header.update(classes=CLASSES - 1))
_case("header_more_classes", lambda made: made.header.update(classes=CLASSES + 1))
_case("header_most_classes", lambda made: made.header.update(classes=1 << 20), memory=64)
for _name, _config in {
    "unknown": {"depth": 3},
    "rank": {"rank": 65},
    "text": {"rank": "x"},
}.items():
    _case(
        f"config_{_name}",
        lambda made, new=_config: made.header["codec"].update(config=new),
        UnsupportedError,
    )
for _samples in (SAMPLES - 1, SAMPLES + 1, 1 << 16, 1 << 20):
    _case(
        f"samples_{_samples}", lambda made, new=_samples: setattr(made, "samples", new), memory=64
    )


# tables

for _part in ("precision", "model", "basis", "coefficients", "table"):
    _case(f"{_part}_missing", lambda made, part=_part: made.labels.pop(part))
    _case(f"{_part}_empty", lambda made, part=_part: made.labels.update({part: b""}))
    _case(
        f"{_part}_cut", lambda made, part=_part: made.labels.update({part: made.labels[part][:-1]})
    )
    _case(
        f"{_part}_long",
        lambda made, part=_part: made.labels.update({part: made.labels[part] + b"\0"}),
    )
_case("precision_unknown", lambda made: made.labels.update(precision=b"float64"))
_case("precision_bytes", lambda made: made.labels.update(precision=b"\xff\xfe"))


def _model(**change: Any) -> Callable[[LabelSet], None]:
    """The part `model` with other numbers."""

    def change_model(made: LabelSet) -> None:
        coder = _coder(made)
        values: dict[str, Any] = {
            "rank": len(coder.scales),
            "shift": coder.model.shift,
            "edge": coder.model.exponent,
            "scales": coder.scales,
            "mean": coder.model.mean.astype(np.int64),
            "thresholds": coder.model.thresholds,
            "first": np.array([coder.model.first]),
        }
        for name, value in change.items():
            old = values[name]
            values[name] = old * np.int64(0) + value if isinstance(old, np.ndarray) else value
        head = (values["rank"], values["shift"], values["edge"])
        columns = (values[name] for name in ("scales", "mean", "thresholds", "first"))
        made.labels["model"] = numbers(*head) + b"".join(
            packing.pack_ints(column.astype(np.int64)) for column in columns
        )

    return change_model


for _name, _change in {
    "rank_0": {"rank": 0},
    "rank_other": {"rank": RANK + 1},
    "rank_above": {"rank": MAX_RANK + 1},
    "rank_huge": {"rank": 1 << 62},
    "shift_0": {"shift": 0},
    "shift_above": {"shift": MAX_SHIFT + 1},
    "shift_huge": {"shift": 1 << 62},
    "edge_0": {"edge": 0},
    "edge_top": {"edge": 31},
    "edge_huge": {"edge": 1 << 62},
    "scales_0": {"scales": 0},
    "scales_negative": {"scales": -1},
    "scales_above": {"scales": MAX_WEIGHT + 1},
    "mean_above": {"mean": MAX_MEAN + 1},
    "mean_below": {"mean": -MAX_MEAN - 1},
    "mean_huge": {"mean": 1 << 61},
    "first_above": {"first": MAX_FIRST + 1},
    "first_below": {"first": -MAX_FIRST - 1},
    "first_out_of_cells": {"first": MAX_FIRST, "shift": 1, "mean": MAX_MEAN},
    "mean_out_of_cells": {"mean": MAX_MEAN, "shift": 1},
    "mean_below_cells": {"mean": -MAX_MEAN, "shift": 1},
    "edge_last": {"edge": 30},
}.items():
    _case(f"model_{_name}", _model(**_change))


def _thresholds(make: Callable[[int], Any]) -> Callable[[LabelSet], None]:
    """Tables of four contexts whose thresholds are these."""

    def change(made: LabelSet) -> None:
        coder = _coder(made)
        made.labels["table"] = _table(4, coder.table.freqs.shape[1])
        model = replace(coder.model, thresholds=np.array(make(3), np.int64))
        made.labels["model"] = replace(coder, model=model).to_parts()["model"]

    return change


def _table(contexts: int, symbols: int) -> bytes:
    """A table set in which all symbols are equally frequent."""
    return tables.to_bytes(tables.fit(np.ones((contexts, symbols), np.int64)))


_case("thresholds_equal", _thresholds(lambda n: [5] * n))
_case("thresholds_falling", _thresholds(lambda n: range(n, 0, -1)))
_case("thresholds_above", _thresholds(lambda n: [0, 1, MAX_THRESHOLD + 1]))
_case("thresholds_below", _thresholds(lambda n: [-MAX_THRESHOLD - 1, 0, 1]))
_case("thresholds_huge", _thresholds(lambda n: [0, 1, 1 << 61]))
_case("thresholds_missing", _thresholds(lambda n: [0, 1]))
for _name, _data in {
    "table_contexts": _table(MAX_CONTEXTS + 1, 4),
    "table_one_symbol": _table(1, 1),
    "table_huge": numbers(1 << 60, 4),
    "table_symbols_huge": numbers(17, 1 << 60),
}.items():
    _case(_name, lambda made, new=_data: made.labels.update(table=new))
for _name, _data in {
    "contexts": _table(RANK + 1, 4),
    "one_context": _table(RANK - 1, 4),
    "huge": numbers(1 << 60, 4),
}.items():
    _case(f"coefficients_{_name}", lambda made, new=_data: made.labels.update(coefficients=new))


# the stream of labels


def _fields(data: bytes) -> tuple[int, list[int], bytes]:
    """drop, the four lengths, and what follows them."""
    position, lengths = 2, []
    for _ in range(4):
        length, position = varint.decode(data, position)
        lengths.append(length)
    return data[1], lengths, data[position:]


def _stream(change: Callable[[bytes], bytes]) -> Callable[[LabelSet], None]:
    def change_stream(made: LabelSet) -> None:
        made.streams[LABEL_VALUES] = change(made.streams[LABEL_VALUES])

    return change_stream


def _length(field: int, value: int, *, more: bool = False) -> Callable[[LabelSet], None]:
    """One of the four lengths is another, or `value` more."""

    def change(data: bytes) -> bytes:
        drop, lengths, rest = _fields(data)
        lengths[field] = lengths[field] + value if more else value
        return bytes([1, drop]) + numbers(*lengths) + rest

    return _stream(change)


_case("stream_missing", lambda made: made.streams.pop(LABEL_VALUES))
_case("stream_empty", _stream(lambda data: b""))
_case("stream_form_alone", _stream(lambda data: b"\1"))
_case("stream_form_unknown", _stream(lambda data: b"\2" + data[1:]))
_case("stream_plain_empty", _stream(lambda data: b"\0"))
_case("stream_plain", _stream(lambda data: b"\0" + data[1:]))
_case("stream_drop_above", _stream(lambda data: b"\1\x0b" + data[2:]))
_case("stream_drop_most", _stream(lambda data: b"\1\xff" + data[2:]))
_case("stream_drop_other", _stream(lambda data: b"\1\x0a" + data[2:]))
_case("stream_cut", _stream(lambda data: data[:-1]))
_case("stream_half", _stream(lambda data: data[: len(data) // 2]))
_case("stream_long", _stream(lambda data: data + b"\0"))
_case("stream_head_cut", _stream(lambda data: data[:3]))
for _field, _name in enumerate(("coefficients", "rans", "escapes", "gaps")):
    _case(f"{_name}_length_more", _length(_field, 1, more=True))
    _case(f"{_name}_length_all", _length(_field, SAMPLES * CLASSES))
    _case(f"{_name}_length_huge", _length(_field, 1 << 62))
    _case(f"{_name}_length_most", _length(_field, (1 << 63) - 1))
for _name in ("coefficients", "rans"):
    _case(f"{_name}_length_none", _length(("coefficients", "rans").index(_name), 0))


def _rans_ones(data: bytes) -> bytes:
    """The rANS part is all ones."""
    drop, lengths, rest = _fields(data)
    first, rans = lengths[:2]
    spoilt = rest[:first] + b"\xff" * rans + rest[first + rans :]
    return bytes([1, drop]) + numbers(*lengths) + spoilt


def _coefficients(value: int) -> Callable[[LabelSet], None]:
    """All coefficients are this one."""

    def change(made: LabelSet) -> None:
        zigzag = np.full(SAMPLES * RANK, (value << 1) ^ (value >> 63), np.int64)
        columns = np.tile(np.arange(RANK), SAMPLES)
        symbols = coding.tokenise(zigzag, columns)
        table = tables.fit(symbols.counts(RANK, int(symbols.symbols.max()) + 2))
        made.labels["coefficients"] = tables.to_bytes(table)
        drop, lengths, rest = _fields(made.streams[LABEL_VALUES])
        first = coding.encode_values(zigzag, columns, table)
        rest, lengths[0] = first + rest[lengths[0] :], len(first)
        made.streams[LABEL_VALUES] = bytes([1, drop]) + numbers(*lengths) + rest

    return change


_case("rans_ones", _stream(_rans_ones))
_case("weight_above", _coefficients(MAX_WEIGHT + 1))
_case("weight_below", _coefficients(-MAX_WEIGHT - 1))
_case("weight_huge", _coefficients((1 << 31) - 1))

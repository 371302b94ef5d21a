"""Hostile label sets of the vq codec: header, tables and the stream of codes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from labelcodec.codecs.vq.codec import Vq
from labelcodec.codecs.vq.coder import VqCoder
from labelcodec.codecs.vq.format import MAX_CODES, MAX_CODEWORDS, MAX_ENTRIES
from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.errors import UnsupportedError
from tests.attacks.labelset import VQ_CODES as CODES
from tests.attacks.labelset import Cases, LabelSet, adder, numbers, vq

CLASSES, SAMPLES = 12, 32
CASES: Cases = {}

_case = adder(CASES, "vq", vq)


def _coder(made: LabelSet) -> VqCoder:
    return Vq(codes=CODES).from_parts(made.labels, CLASSES)


# header

for _name, _labels in {
    "space": {"space": "probabilities"},
    "tail": {"tail": "zero"},
    "k": {"k": 4, "tail": "zero"},
}.items():
    _case(f"header_{_name}", lambda made, new=_labels: made.header["labels"].update(new))
_case("header_fewer_classes", lambda made: made.header.update(classes=CLASSES - 1))
_case("header_more_classes", lambda made: made.header.update(classes=CLASSES + 1))
_case("header_most_classes", lambda made: made.header.update(classes=1 << 20), memory=32)
for _name, _config in {
    "unknown": {"depth": 3},
    "method": {"method": "magic"},
    "codes": {"codes": MAX_CODES + 1},
    "codes_and_bytes": {"codes": 2, "bytes": 8},
    "nan": {"kl1": float("nan")},
}.items():
    _case(
        f"config_{_name}",
        lambda made, new=_config: made.header["codec"].update(config=new),
        UnsupportedError,
    )
for _samples in (SAMPLES - 1, SAMPLES + 1, 1 << 16, 1 << 20):
    _case(f"samples_{_samples}", lambda made, new=_samples: setattr(made, "samples", new))

# tables

for _part in ("frame", "basis", "codebooks", "codes"):
    _case(f"{_part}_missing", lambda made, part=_part: made.labels.pop(part))
for _part in ("frame", "basis", "codebooks", "codes", "reached"):
    for _name, _change in {
        "empty": lambda data: b"",
        "cut": lambda data: data[:-1],
        "long": lambda data: data + b"\1",
        "ones": lambda data: b"\xff" * len(data),
    }.items():
        _case(
            f"{_part}_{_name}",
            lambda made, part=_part, change=_change: made.labels.update(
                {part: change(made.labels[part])}
            ),
        )


def _part(name: str, data: bytes) -> Callable[[LabelSet], Any]:
    return lambda made: made.labels.update({name: data})


def _tail(value: int) -> Callable[[LabelSet], Any]:
    def apply(made: LabelSet) -> None:
        basis = _coder(made).basis
        made.labels |= replace(basis, tail=np.full(48, value)).to_parts()

    return apply


_case("tail_above", _tail((1 << 29) + 1))
_case("tail_far_below", _tail(-(1 << 62)))
for _name, _data in {
    "empty": b"",
    "short": bytes(7),
    "long": struct.pack("<d", 1) + b"\0",
    "zero": bytes(8),
    "negative": struct.pack("<d", -1),
    "above": struct.pack("<d", 101),
    "nan": b"\xff" * 8,
}.items():
    _case(f"tau_{_name}", _part("tau", _data))


def _zeros() -> bytes:
    """Any number of codewords of zeros, in hardly any bytes."""
    table = tables.to_bytes(tables.fit(np.array([[1] + [0] * 123])))
    head = packing.pack_ints(np.zeros(_RANK, np.int64)) + varint.encode(len(table)) + table
    return head + varint.encode(128) + struct.pack("<32I", *[1 << 16] * 32)


_RANK = _coder(vq()).basis.rank
ZEROS = _zeros()
for _name, _head in {
    "no_codes": (0, 2),
    "codes_above": (MAX_CODES + 1, 2),
    "codes_huge": (1 << 62, 2),
    "no_codewords": (CODES, 0),
    "codewords_above": (CODES, MAX_CODEWORDS + 1),
    "codewords_huge": (CODES, 1 << 62),
    "one_more_code": (CODES + 1, 4),
    "most_of_all": (MAX_CODES, MAX_CODEWORDS),
}.items():
    memory = 64 if "most" in _name else 16
    _case(f"codebooks_{_name}", _part("codebooks", numbers(*_head) + ZEROS), memory=memory)
_case(
    "codebooks_2_24_entries",
    _part("codebooks", numbers(MAX_CODES, MAX_ENTRIES // _RANK // MAX_CODES) + ZEROS),
    memory=256,
)


def _fewer_codewords(made: LabelSet) -> None:
    """Codebooks of one codeword; the stream uses more."""
    books = _coder(made).codebooks
    made.labels["codebooks"] = replace(books, entries=books.entries[:, :1]).to_parts()["codebooks"]


def _fewer_tables(made: LabelSet) -> None:
    table = _coder(made).codebooks.table
    made.labels["codes"] = tables.to_bytes(tables.TableSet(table.freqs[:-1]))


_case("codebooks_of_one_codeword", _fewer_codewords)
_case("codes_of_fewer_tables", _fewer_tables)
for _name, _data in {
    "no_contexts": numbers(0, 125),
    "contexts_huge": numbers(1 << 60, 4),
    "symbols_huge": numbers(CODES, 1 << 60),
    "row_huge": numbers(CODES, 125, 0, 1 << 62),
    "sum": numbers(CODES, 125, 0, 2, 4000, 96),
}.items():
    _case(f"codes_{_name}", _part("codes", _data))
_case("reached_nan", _part("reached", b"\xff" * 52))
_case("means_empty", _part("means", b""))
_case("means_zeros", _part("means", bytes(99)))
_case("means_huge", _part("means", numbers(1 << 62, 8, 8) + bytes(99)))
_case("network_beside_codebooks", _part("network", bytes(99)))
_case("network_ones", _part("network", b"\xff" * 99))

# codes


def _codes(values: list[int]) -> Callable[[LabelSet], Any]:
    """These codes in the contexts of their positions."""

    def apply(made: LabelSet) -> None:
        contexts = np.repeat(np.arange(CODES), SAMPLES)
        contexts = np.resize(contexts, len(values))
        even = tables.fit(np.ones((CODES, 124), np.int64))
        made.labels["codes"] = tables.to_bytes(even)
        made.streams[10] = coding.encode_values(np.array(values), contexts, even)

    return apply


_COUNT = CODES * SAMPLES
_case("code_above", _codes([0] * (_COUNT - 1) + [4]))
_case("code_2_32", _codes([(1 << 32) - 1] + [0] * (_COUNT - 1)))
_case("codes_too_few", _codes([0] * (_COUNT - 1)))
_case("codes_too_many", _codes([0] * (_COUNT + 1)))
_case("stream_missing", lambda made: made.streams.pop(10))
for _name, _data in {
    "empty": b"",
    "length": varint.encode(1 << 62),
    "zeros": b"\4" + bytes(99),
    "ones": b"\x20" + b"\xff" * 99,
}.items():
    _case(f"stream_{_name}", lambda made, new=_data: made.streams.update({10: new}))
_case("stream_long", lambda made: made.streams.update({10: made.streams[10] + b"\0"}))
_case("stream_cut", lambda made: made.streams.update({10: made.streams[10][:-1]}))

"""Hostile label sets of the projector codec: header, tables and streams that must not be there."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np

from labelcodec.codecs.projector.format import MAX_LAYERS, MAX_RANK, MAX_SIDE
from labelcodec.errors import UnsupportedError
from tests.attacks.labelset import Cases, LabelSet, adder, numbers, projector

CASES: Cases = {}

_case = adder(CASES, "projector", projector)


# header

_case("header_k", lambda made: made.header["labels"].update(k=2, tail="zero"))
_case("header_tail", lambda made: made.header["labels"].update(tail="zero"))
_case("header_probabilities", lambda made: made.header["labels"].update(space="probabilities"))
_case("header_fewer_classes", lambda made: made.header.update(classes=4))
_case("header_more_classes", lambda made: made.header.update(classes=6))
_case("header_most_classes", lambda made: made.header.update(classes=1 << 20))
for _name, _config in {
    "unknown": {"depth": 3},
    "rank": {"rank": MAX_RANK + 1},
    "precision": {"precision": "float64"},
}.items():
    _case(
        f"config_{_name}",
        lambda made, new=_config: made.header["codec"].update(config=new),
        UnsupportedError,
    )

# parts

for _part in ("encoder", "factors", "head", "probe", "reached"):
    if _part != "reached":
        _case(f"{_part}_missing", lambda made, part=_part: made.labels.pop(part))
    for _name, _change in {
        "empty": lambda data: b"",
        "cut": lambda data: data[:-1],
        "long": lambda data: data + b"\0",
        "ones": lambda data: b"\xff" * len(data),
    }.items():
        _case(
            f"{_part}_{_name}",
            lambda made, part=_part, change=_change: made.labels.update(
                {part: change(made.labels[part])}
            ),
        )


def _encoder(**values: Any) -> Callable[[LabelSet], None]:
    def change(made: LabelSet) -> None:
        facts = msgpack.unpackb(made.labels["encoder"]) | values
        kept = {key: value for key, value in facts.items() if value is not Ellipsis}
        made.labels["encoder"] = msgpack.packb(kept)

    return change


for _name, _values in {
    "no_name": {"name": ...},
    "surplus": {"run": "os:system"},
    "name_bytes": {"name": b"convnet"},
    "digest_short": {"sha256": "ab"},
    "digest_text": {"sha256": "z" * 64},
    "classes_0": {"classes": 0},
    "classes_above": {"classes": 1 << 21},
    "classes_true": {"classes": True},
    "height_0": {"height": 0},
    "width_above": {"width": 4097},
    "mean_short": {"mean": [0.5, 0.5]},
    "mean_text": {"mean": "rgb"},
    "mean_nan": {"mean": [0.5, 0.5, float("nan")]},
    "mean_huge": {"mean": [0.5, 0.5, 1e300]},
    "std_0": {"std": [1.0, 0.0, 1.0]},
    "std_negative": {"std": [1.0, -1.0, 1.0]},
    "std_infinite": {"std": [1.0, float("inf"), 1.0]},
    "name_long": {"name": "x" * 5000},
    "nested": {"mean": [[0.5], 0.5, 0.5]},
}.items():
    _case(f"encoder_{_name}", _encoder(**_values))
_case("encoder_list", lambda made: made.labels.update(encoder=msgpack.packb([1])))
_case("encoder_twice", lambda made: made.labels.update(encoder=b"\x82\xa4name\xa1x\xa4name\xa1x"))


def _layer(name: bytes, *sides: int, values: bytes = b"") -> bytes:
    return numbers(len(name)) + name + numbers(*sides) + values


GOOD = _layer(b"a", 2, 2, 1, values=struct.pack("<f2bf2b", 1, 1, 1, 1, 1, 1))
for _name, _factors in {
    "form_2": b"\x02" + numbers(0),
    "count_above": b"\x01" + numbers(MAX_LAYERS + 1),
    "count_huge": b"\x01" + numbers(1 << 62),
    "count_more": b"\x01" + numbers(2) + GOOD,
    "twice": b"\x01" + numbers(2) + GOOD + GOOD,
    "name_empty": b"\x01" + numbers(1) + _layer(b"", 2, 2, 1, values=GOOD[-12:]),
    "name_long": b"\x01" + numbers(1) + _layer(b"n" * 513, 2, 2, 1, values=GOOD[-12:]),
    "name_latin": b"\x01" + numbers(1) + _layer(b"\xe9", 2, 2, 1, values=GOOD[-12:]),
    "name_huge": b"\x01" + numbers(1) + numbers(1 << 62),
    "outputs_0": b"\x01" + numbers(1) + _layer(b"a", 0, 2, 1),
    "outputs_above": b"\x01" + numbers(1) + _layer(b"a", MAX_SIDE + 1, 2, 1),
    "inner_huge": b"\x01" + numbers(1) + _layer(b"a", 2, 1 << 62, 1),
    "rank_0": b"\x01" + numbers(1) + _layer(b"a", 2, 2, 0),
    "rank_above_sides": b"\x01" + numbers(1) + _layer(b"a", 2, 2, 3, values=bytes(36)),
    "rank_above": b"\x01" + numbers(1) + _layer(b"a", 4096, 4096, MAX_RANK + 1),
    "values_missing": b"\x01" + numbers(1) + _layer(b"a", MAX_SIDE, MAX_SIDE, 1),
    "values_many": b"\x01" + numbers(1) + _layer(b"a", MAX_SIDE, MAX_SIDE, MAX_RANK),
    "scale_nan": b"\x01" + numbers(1) + GOOD[:5] + struct.pack("<f", np.nan) + GOOD[9:],
    "scale_negative": b"\x01" + numbers(1) + GOOD[:5] + struct.pack("<f", -1) + GOOD[9:],
    "overflow": b"\x01" + numbers(1) + GOOD[:5] + struct.pack("<f2b", 3e38, 127, 1) + GOOD[11:],
    "half_infinite": b"\x00" + numbers(1) + _layer(b"a", 1, 1, 1, values=b"\x00\x7c\x00\x00"),
}.items():
    _case(f"factors_{_name}", lambda made, new=_factors: made.labels.update(factors=new))

for _name, _head in {
    "form_2": b"\x02" + numbers(6, 0),
    "features_0": b"\x01" + numbers(0, 0) + bytes(40),
    "features_huge": b"\x01" + numbers(1 << 62, 0),
    "features_more": b"\x01" + numbers(7, 0) + bytes(20 + 30 + 20),
    "rank_above_sides": b"\x01" + numbers(6, 6) + bytes(200),
    "rank_huge": b"\x01" + numbers(6, 1 << 62),
    "bias_nan": b"\x01" + numbers(1, 0) + bytes(25) + struct.pack("<5f", 0, 0, np.nan, 0, 0),
    "bias_short": b"\x01" + numbers(1, 0) + bytes(25) + bytes(16),
    "product_too_large": b"\x01" + numbers(MAX_SIDE, 1) + bytes(4 + 5 + 4) + bytes(MAX_SIDE + 20),
}.items():
    memory = 96 if "large" in _name else 16
    _case(f"head_{_name}", lambda made, new=_head: made.labels.update(head=new), memory=memory)
_case("probe_nan", lambda made: made.labels.update(probe=struct.pack("<5f", 0, 0, 0, 0, np.nan)))
_case("reached_nan", lambda made: made.labels.update(reached=struct.pack("<Q7d", 1, *[np.nan] * 7)))

# batches

for _stream in (9, 10, 11):
    _case(f"stream_{_stream}", lambda made, new=_stream: made.streams.update({new: b"x"}))
for _samples in (3, 5, 1 << 16, 1 << 20):
    _case(f"samples_{_samples}", lambda made, new=_samples: setattr(made, "samples", new))

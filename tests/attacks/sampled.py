"""Hostile label sets of the sampled codec: header, tables and streams."""

from __future__ import annotations

import numpy as np

from labelcodec.codecs.components import LABEL_INDEX, LABEL_VALUES
from labelcodec.codecs.sampled import coder
from labelcodec.codecs.sampled.codec import Sampled
from labelcodec.codecs.sampled.coder import SampledCoder
from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.errors import UnsupportedError
from tests.attacks.labelset import DRAWS, KEPT, Cases, LabelSet, adder, sampled, sampled_kept

CLASSES, SAMPLES = 12, 8
CASES: Cases = {}

_case = adder(CASES, "sampled", sampled)


def _coder(made: LabelSet) -> SampledCoder:
    return Sampled(DRAWS).from_parts(made.labels, CLASSES)


for _key, _value in {"space": "logits", "precision": "float16", "tail": "uniform"}.items():
    _case(
        f"header_{_key}",
        lambda made, key=_key, new=_value: made.header["labels"].update({key: new}),
    )
_case("header_k", lambda made: made.header["labels"].update(k=DRAWS - 1))
_case("header_fewer_classes", lambda made: made.header.update(classes=CLASSES - 1))
_case("header_most_classes", lambda made: made.header.update(classes=1 << 20), memory=64)
_case(
    "config_draws",
    lambda made: made.header["codec"].update(config={"n": 4097}),
    UnsupportedError,
)
for _samples in (SAMPLES - 1, SAMPLES + 1, 1 << 16, 1 << 20):
    _case(
        f"samples_{_samples}", lambda made, new=_samples: setattr(made, "samples", new), memory=64
    )

for _part in ("order", "sizes", "gaps", "counts"):
    _case(f"tables_without_{_part}", lambda made, part=_part: made.labels.pop(part))
for _part in ("sizes", "gaps", "counts"):
    _case(
        f"tables_contexts_{_part}",
        lambda made, part=_part: made.labels.update(
            {part: tables.to_bytes(coding.fit_tables([], 3))}
        ),
    )
_case(
    "tables_order_repeats",
    lambda made: made.labels.update(order=packing.pack_ints(np.zeros(CLASSES, np.int64))),
)

for _stream in (LABEL_INDEX, LABEL_VALUES):
    _case(f"stream_{int(_stream)}_missing", lambda made, n=_stream: made.streams.pop(n))
    _case(f"stream_{int(_stream)}_empty", lambda made, n=_stream: made.streams.update({n: b""}))
    _case(
        f"stream_{int(_stream)}_longer",
        lambda made, n=_stream: made.streams.update({n: made.streams[n] + bytes(2)}),
    )
_case(
    "form",
    lambda made: made.streams.update({LABEL_INDEX: b"\1" + made.streams[LABEL_INDEX][1:]}),
)
_case(
    "sizes_longer_than_stream",
    lambda made: made.streams.update({LABEL_INDEX: b"\0" + varint.encode(1 << 40)}),
)


def _streams(made: LabelSet, sizes: list[int], gaps: list[int], counts: list[int]) -> None:
    """Streams of these numbers, in the contexts that a reader takes them in."""
    own, held = _coder(made), np.array(sizes)
    part = _parts(
        own,
        {
            "sizes": (held - 1, np.zeros(len(held), np.int64)),
            "gaps": (np.array(gaps), coder._gap_contexts(held)),
            "counts": (np.array(counts, np.int64), coder._count_contexts(held)),
        },
    )
    made.streams[LABEL_INDEX] = b"\0" + _framed(part["sizes"]) + part["gaps"]
    made.streams[LABEL_VALUES] = part["counts"]


def _parts(own: SampledCoder, coded: dict[str, coder.Coded]) -> dict[str, bytes]:
    return {name: coding.encode_values(*one, own.tables[name]) for name, one in coded.items()}


def _framed(data: bytes) -> bytes:
    return varint.encode(len(data)) + data


_ONE = [1] * (SAMPLES - 1)
_case("size_above_draws", lambda made: _streams(made, [7, *_ONE], [0] * 14, [0] * 6))
_case("class_outside", lambda made: _streams(made, [1, *_ONE], [CLASSES, *[0] * 7], []))
_case(
    "class_far_outside",
    lambda made: _streams(made, [2, *_ONE], [(1 << 32) - 1] * 2 + [0] * 7, [0]),
)
_case("counts_above_draws", lambda made: _streams(made, [2, *_ONE], [0] * 9, [DRAWS - 1]))
_case("counts_far_above_draws", lambda made: _streams(made, [2, *_ONE], [0] * 9, [(1 << 32) - 1]))

_kept_case = adder(CASES, "sampled_kept", sampled_kept)


def _kept_streams(made: LabelSet, **numbers: list[int]) -> None:
    """Streams in which each label keeps the positions 0 and 1 of the class order and draws class 2
    throughout, but for these numbers."""
    own = Sampled(DRAWS, keep=KEPT).from_parts(made.labels, CLASSES)
    each = {"sizes": 1, "kept": 0, "gaps": 2, "rests": 99, "masses": 1000}
    sizes = np.array(numbers.get("sizes", [1] * SAMPLES))
    rests = np.array(numbers.get("rests", [each["rests"]] * int((sizes > 0).sum())))
    rest = np.zeros(SAMPLES, np.int64)
    rest[sizes > 0] = 1 + rests
    widths = np.full(SAMPLES, KEPT)
    contexts = {
        "sizes": np.zeros(SAMPLES, np.int64),
        "kept": coder._gap_contexts(widths),
        "gaps": coder._gap_contexts(sizes),
        "rests": coder._size_contexts(sizes[sizes > 0]),
        "masses": own._mass_contexts(np.minimum(rest, coder.UNIT)),
        "counts": coder._count_contexts(sizes),
    }
    part = _parts(
        own,
        {
            name: (
                np.array(numbers.get(name, [each.get(name, 0)] * len(own_contexts)), np.int64),
                own_contexts,
            )
            for name, own_contexts in contexts.items()
        },
    )
    index = b"\1" + _framed(part["sizes"]) + _framed(part["kept"]) + part["gaps"]
    values = _framed(part["rests"]) + _framed(part["masses"]) + part["counts"]
    made.streams.update({LABEL_INDEX: index, LABEL_VALUES: values})


_kept_case("size_above_draws", lambda made: _kept_streams(made, sizes=[7, *_ONE]))
_kept_case("kept_outside", lambda made: _kept_streams(made, kept=[0, CLASSES, *[0] * 14]))
_kept_case("kept_and_drawn", lambda made: _kept_streams(made, gaps=[1, *[2] * 7]))
_kept_case("rest_above_1", lambda made: _kept_streams(made, rests=[1 << 16, *[99] * 7]))
_kept_case("rest_far_above_1", lambda made: _kept_streams(made, rests=[(1 << 32) - 1, *[9] * 7]))
_kept_case("masses_above_1", lambda made: _kept_streams(made, masses=[1 << 16, *[9] * 7]))
_kept_case(
    "form", lambda made: made.streams.update({LABEL_INDEX: b"\0" + made.streams[LABEL_INDEX][1:]})
)
_kept_case(
    "without_masses", lambda made: made.streams.update({LABEL_VALUES: varint.encode(1 << 40)})
)
_kept_case("header_k", lambda made: made.header["labels"].update(k=DRAWS))
_kept_case(
    "config_keep", lambda made: made.header["codec"]["config"].update(keep=65), UnsupportedError
)
for _part in ("kept", "rests", "masses"):
    _kept_case(f"tables_without_{_part}", lambda made, part=_part: made.labels.pop(part))

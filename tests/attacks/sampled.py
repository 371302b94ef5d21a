"""Hostile label sets of the sampled codec: header, tables and streams."""

from __future__ import annotations

import numpy as np

from labelcodec.codecs.components import LABEL_INDEX, LABEL_VALUES
from labelcodec.codecs.sampled.codec import Sampled
from labelcodec.codecs.sampled.coder import SampledCoder
from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.errors import UnsupportedError
from tests.attacks.labelset import DRAWS, Cases, LabelSet, adder, sampled

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
    from labelcodec.codecs.sampled import coder as coding_of

    own, held = _coder(made), np.array(sizes)
    size = coding.encode_values(held - 1, np.zeros(len(held), np.int64), own.sizes)
    gap = coding.encode_values(np.array(gaps), coding_of._gap_contexts(held), own.gaps)
    count = coding.encode_values(
        np.array(counts, np.int64), coding_of._count_contexts(held), own.counts
    )
    made.streams[LABEL_INDEX] = b"\0" + varint.encode(len(size)) + size + gap
    made.streams[LABEL_VALUES] = count


_ONE = [1] * (SAMPLES - 1)
_case("size_above_draws", lambda made: _streams(made, [7, *_ONE], [0] * 14, [0] * 6))
_case("class_outside", lambda made: _streams(made, [1, *_ONE], [CLASSES, *[0] * 7], []))
_case(
    "class_far_outside",
    lambda made: _streams(made, [2, *_ONE], [(1 << 32) - 1] * 2 + [0] * 7, [0]),
)
_case("counts_above_draws", lambda made: _streams(made, [2, *_ONE], [0] * 9, [DRAWS - 1]))
_case("counts_far_above_draws", lambda made: _streams(made, [2, *_ONE], [0] * 9, [(1 << 32) - 1]))

"""Hostile label sets of the topk codec whose labels keep different numbers of classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labelcodec.codecs.components import LABEL_COUNT, LABEL_INDEX, LABEL_VALUES
from labelcodec.entropy import packing, varint
from tests.attacks.labelset import TOPK, Cases, LabelSet, adder, valid

SAMPLES, K = TOPK.samples, TOPK.k or 0
CASES: Cases = {}


def varying() -> LabelSet:
    return valid(replace(TOPK, varying=True))


_case = adder(CASES, "kept_counts", varying)


def _stored(made: LabelSet, count: np.ndarray, k: int = K) -> None:
    made.streams[LABEL_COUNT] = varint.encode(k) + packing.pack_ints(count)


def _counts(made: LabelSet) -> np.ndarray:
    data = memoryview(made.streams[LABEL_COUNT])
    return packing.unpack_all_ints(data[1:], SAMPLES, "numbers")


_case("missing", lambda made: made.streams.pop(LABEL_COUNT))
_case("empty", lambda made: made.streams.update({LABEL_COUNT: b""}))
_case("short", lambda made: _stored(made, _counts(made)[:-2]))
_case("long", lambda made: made.streams.update({LABEL_COUNT: made.streams[LABEL_COUNT] + b"\0"}))
_case("none", lambda made: _stored(made, np.zeros(SAMPLES, np.int64)))
_case("negative", lambda made: _stored(made, np.full(SAMPLES, -1)))
_case("more_than_k", lambda made: _stored(made, _counts(made) + 1))
_case("k_of_0", lambda made: _stored(made, _counts(made), 0))
_case("k_of_another", lambda made: _stored(made, _counts(made), K + 1))
_case("k_above_classes", lambda made: _stored(made, _counts(made), 1 << 40), memory=64)
_case("all_k", lambda made: _stored(made, np.full(SAMPLES, K)))
_case("other_groups", lambda made: _stored(made, _counts(made)[::-1] % K + 1))
for _stream in (LABEL_INDEX, LABEL_VALUES):
    _case(f"stream_{int(_stream)}_missing", lambda made, n=_stream: made.streams.pop(n))
    _case(
        f"stream_{int(_stream)}_longer",
        lambda made, n=_stream: made.streams.update({n: made.streams[n] + bytes(2)}),
    )
    _case(
        f"stream_{int(_stream)}_shorter",
        lambda made, n=_stream: made.streams.update({n: made.streams[n][:-1]}),
    )
    for _length in (0, 1, 1 << 40):
        _case(
            f"stream_{int(_stream)}_part_of_{_length}",
            lambda made, n=_stream, size=_length: made.streams.update(
                {n: varint.encode(size) + made.streams[n][1:]}
            ),
        )

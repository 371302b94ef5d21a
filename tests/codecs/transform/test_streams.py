"""The label streams: twins, and damage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.batch import Labels
from labelcodec.codecs.components import LABEL_VALUES
from labelcodec.codecs.transform import Transform, compiled, reference
from labelcodec.errors import CorruptError
from tests.backends import BACKENDS, backend
from tests.codecs.transform.labels import STREAMS, batches, code, same

CODEC = Transform(rank=8, step=0.5, peaks=4)
PARTS = batches(256, 40)
CODER = CODEC.fit(PARTS, 40)
BLANK = Labels(40, np.zeros((0, 0), np.float16))


@pytest.mark.parametrize("twin", BACKENDS)
def test_both_twins_read_the_same_labels(twin):
    streams = CODER.encode(PARTS[3])
    with backend(twin):
        assert CODER.encode(PARTS[3]) == streams
        assert same(code(CODER, PARTS[3]).compact, CODER.compact(PARTS[3]))


@given(data=st.data(), twin=st.sampled_from([reference, compiled]))
@settings(max_examples=150, deadline=None)
def test_damaged_streams_end_in_corrupt_error_or_in_labels(data, twin):
    streams = dict(CODER.encode(PARTS[1]))
    stream = data.draw(st.sampled_from(STREAMS))
    damaged = bytearray(streams[stream])
    kind = data.draw(st.sampled_from(["flip", "cut", "add"]))
    if kind == "flip":
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del damaged[data.draw(st.integers(0, len(damaged) - 1)) :]
    else:
        damaged += data.draw(st.binary(min_size=1, max_size=5))
    streams[stream] = bytes(damaged)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labelcodec.codecs.transform.coder.kernels", lambda: twin)
        try:
            views = {key: memoryview(part) for key, part in streams.items()}
            labels = CODER.decode(views, len(PARTS[1]), BLANK)
        except CorruptError:
            return
    assert np.isfinite(labels.dense()).all()


def test_a_missing_stream_is_named():
    streams = CODER.encode(PARTS[0])
    del streams[LABEL_VALUES]
    with pytest.raises(CorruptError, match="label values"):
        CODER.decode({k: memoryview(v) for k, v in streams.items()}, 32, BLANK)


@pytest.mark.parametrize("name", CODER.to_parts())
def test_missing_and_cut_tables_are_corrupt(name):
    parts = CODER.to_parts()
    missing = [] if name == "reached" else [{}]  # for people: it may be left out
    for bad in (*missing, {name: parts[name][:-1]}, {name: parts[name] + b"\1"}):
        rest = {key: part for key, part in parts.items() if key != name}
        with pytest.raises(CorruptError):
            CODEC.from_parts(rest | bad, 40)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_tables_end_in_corrupt_error_or_decode_to_something(data):
    parts = CODER.to_parts()
    name = data.draw(st.sampled_from(sorted(parts)))
    damaged = bytearray(parts[name])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        coder = CODEC.from_parts(parts | {name: bytes(damaged)}, 40)
        views = {key: memoryview(part) for key, part in CODER.encode(PARTS[0]).items()}
        labels = coder.decode(views, 32, BLANK)
    except CorruptError:
        return
    assert np.isfinite(labels.dense()).all()


def test_usage_counts_every_symbol():
    streams = CODER.encode(PARTS[0])
    used = CODER.usage(PARTS[0], {key: len(part) for key, part in streams.items()})
    compact = CODER.compact(PARTS[0])
    assert used["label index"].tables[0].sum() == 32 + len(compact.places)
    assert used["label values"].tables[0].sum() == compact.coefficients.size + len(compact.places)

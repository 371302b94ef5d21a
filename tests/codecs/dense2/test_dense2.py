from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.batch import Labels
from labelcodec.codecs import float_bits
from labelcodec.codecs.components import LABEL_VALUES
from labelcodec.codecs.dense2.codec import Dense2
from labelcodec.codecs.dense2.coder import Dense2Coder
from labelcodec.codecs.dense2.format import CODED, MAX_MEAN, PLAIN
from labelcodec.entropy import packing, tables, varint
from labelcodec.errors import ConfigError, CorruptError, DataError
from spec.reference_decoder import Invalid
from spec.reference_decoder.dense2 import dense2_tables, read_dense2
from tests.backends import BACKENDS, backend
from tests.codecs.content import Recipe, batch, recipes, same


def labels(recipe: Recipe) -> Labels:
    return batch(recipe).labels


FULL = labels(Recipe(samples=50))
CODER = Dense2(4).fit([FULL], 12)


def decoded(data: bytes, coder=CODER, like: Labels = FULL):
    streams = {LABEL_VALUES: memoryview(data)}
    return coder.decode(streams, len(like), replace(like, value=like.value[:0]))


def by_specification(data: bytes, coder=CODER, like: Labels = FULL):
    """What the reference decoder makes of the stream."""
    header = {"classes": like.classes, "labels": {"precision": like.precision}}
    read = dense2_tables(coder.to_parts(), like.classes)
    return read_dense2({10: data}, len(like), header, read)["label_value"]


def correlated(rows: int, classes: int, rank: int, seed: int = 0) -> Labels:
    rng = np.random.default_rng(seed)
    value = 4 * rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, classes))
    return Labels(classes, (value + rng.normal(0, 0.5, value.shape)).astype(np.float16))


@given(recipes(k=None), st.none() | st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_round_trip(recipe, rank):
    """Labels of every style, with the tables of others and with their own."""
    full = labels(recipe)
    for fitted in ([full], [labels(replace(recipe, seed=recipe.seed + 1, style="normal"))], []):
        coder = Dense2(rank).fit(fitted, full.classes)
        data = coder.encode(full)[LABEL_VALUES]
        assert same(decoded(data, coder, full), full)
        assert by_specification(data, coder, full).tobytes() == full.value.tobytes()


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
def test_every_bit_pattern(precision):
    """Payloads of NaNs, signalling ones among them, infinities, both zeros, subnormals."""
    rng = np.random.default_rng(0)
    layout = float_bits.LAYOUTS[precision]
    bits = rng.integers(0, 1 << layout.width, (64, 12)).astype(layout.storage)
    bits[:, 3] = [0x7C01, 0xFE00] * 32 if layout.mantissa == 10 else bits[:, 3]
    full = Labels(12, float_bits.from_bits(bits, precision), precision=precision)
    for coder in (Dense2().fit([full], 12), Dense2().fit([], 12)):
        data = coder.encode(full)[LABEL_VALUES]
        assert decoded(data, coder, full).value.tobytes() == full.value.tobytes()


def test_all_half_precision_values():
    """Every float16, in every cell: octaves, gaps and both sides of each limit."""
    near = np.random.default_rng(0).normal(0, 4, (64, 1024)).astype(np.float16)
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(64, 1024)
    full = Labels(1024, every)
    coder = Dense2(2).fit([Labels(1024, near)], 1024)
    assert decoded(coder.encode(full)[LABEL_VALUES], coder, full).value.tobytes() == every.tobytes()


def test_nothing_is_refused():
    full = labels(Recipe(style="any bits"))
    assert Dense2().prepare(full, False) is full


def test_labels_of_the_wrong_kind():
    with pytest.raises(DataError, match="use topk"):
        Dense2().prepare(labels(Recipe(k=3, tail="zero")))
    with pytest.raises(DataError, match="float16 labels need float16"):
        Dense2().prepare(replace(FULL, value=FULL.value.astype(np.float32)))


@pytest.mark.parametrize("rank", [-1, 65])
def test_ranks_out_of_range(rank):
    with pytest.raises(ConfigError, match=r"allowed are 0\.\.64"):
        Dense2(rank)


def test_another_precision_than_the_tables():
    single = labels(Recipe(precision="float32", samples=50))
    data = CODER.encode(single)[LABEL_VALUES]
    assert data[0] == PLAIN
    assert same(decoded(data, like=single), single)
    with pytest.raises(CorruptError, match="unknown form"):
        decoded(GOOD, like=single)


def test_half_precision_in_float32_costs_no_more():
    full = correlated(200, 20, 3)
    single = replace(full, value=full.value.astype(np.float32), precision="float32")
    half, wide = (len(Dense2(3).fit([x], 20).encode(x)[LABEL_VALUES]) for x in (full, single))
    assert wide < half * 1.1


def test_classes_that_follow_few_others_cost_less():
    full = correlated(4000, 40, 3)
    shuffled = Labels(40, np.random.default_rng(0).permuted(full.value, axis=0))
    sizes = [len(Dense2().fit([part], 40).encode(part)[LABEL_VALUES]) for part in (full, shuffled)]
    assert sizes[0] < 0.85 * sizes[1] and sizes[1] < full.value.nbytes


def test_the_rank_follows_the_labels():
    """A basis is worth its bytes where many labels share it."""
    few, many = correlated(30, 40, 3), correlated(4000, 40, 3)
    assert Dense2().fit([few], 40).chosen()["rank"] <= 3
    assert Dense2().fit([many], 40).chosen() == {"rank": 3}
    assert Dense2().fit([few], 40, expected=10**6).chosen()["rank"] >= 3


def test_zeros_have_a_symbol():
    full = replace(FULL, value=np.maximum(FULL.value, 0))
    coder = Dense2(2).fit([full], 12)
    (used,) = counted(coder, full).values()
    assert used.tables[1][:, 0].sum() == np.count_nonzero(full.value == 0)


def test_extreme_values_do_not_upset_the_fit():
    full = labels(Recipe(precision="float32", style="huge"))
    coder = Dense2().fit([full], 12)
    assert same(decoded(coder.encode(full)[LABEL_VALUES], coder, full), full)


def test_parts_and_back():
    loaded = Dense2().from_parts(CODER.to_parts(), 12)
    assert loaded.to_parts() == CODER.to_parts()
    assert same(loaded.encode(FULL), CODER.encode(FULL))


def counted(coder: Dense2Coder, source: Labels):
    """The accounting of the stream of labels, which are decoded with it."""
    streams = {LABEL_VALUES: memoryview(coder.encode(source)[LABEL_VALUES])}
    blank = replace(source, value=source.value[:0])
    found, used = coder.decode_counted(streams, len(source), blank)
    assert same(found, source)
    return used


def test_usage():
    (used,) = counted(CODER, FULL).values()
    assert used.tables[0].sum() == 4 * len(FULL) and used.tables[1].sum() == FULL.value.size
    assert used.coded_bytes == len(GOOD) and 0 < used.fixed_bits < 8 * len(GOOD)
    assert counted(CODER, labels(Recipe(precision="float32"))) == {}


def with_model(head=(4, 10, 13), **columns) -> dict:
    model = CODER.model
    usual = {
        "scales": CODER.scales, "mean": model.mean, "thresholds": model.thresholds,
        "first": [model.first],
    }  # fmt: skip
    packed = (packing.pack_ints(np.array(array)) for array in (usual | columns).values())
    return {"model": b"".join(map(varint.encode, head)) + b"".join(packed)}


SHAPE = "impossible shape"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": b"float64"}, "type 'float64'"),
        ({"precision": b"\xff"}, "values of type"),
        ({"table": b"\0\0"}, "0 contexts"),
        ({"table": tables.to_bytes(tables.fit(np.ones((65, 3), int)))}, SHAPE),
        ({"table": b"\1\1\0\0"}, SHAPE),
        ({"coefficients": b"\1\2\0\0"}, SHAPE),
        ({"basis": bytes(47)}, SHAPE),
        ({"basis": bytes(49)}, SHAPE),
        ({"model": b""}, "past the end"),
        (with_model((65, 10, 13)), SHAPE),
        (with_model((4, 0, 13)), SHAPE),
        (with_model((4, 25, 13)), SHAPE),
        (with_model((4, 10, 0)), SHAPE),
        (with_model((4, 10, 31)), SHAPE),
        (with_model(scales=CODER.scales * 0), "scales are out of range"),
        (with_model(scales=CODER.scales * 0 + 32768), "scales are out of range"),
        (with_model(mean=CODER.model.mean * 0 + MAX_MEAN + 1), "means are out of range"),
        (with_model(thresholds=CODER.model.thresholds + 8192), "thresholds are out of range"),
        (with_model(thresholds=CODER.model.thresholds[::-1]), "malformed"),
        (with_model(first=[(1 << 20) + 1]), "first offset are out of range"),
        (with_model(first=range(20)), "malformed"),
        (with_model(mean=CODER.model.mean[:-4]), "past the end|too short|range|malformed|width"),
    ],
)
def test_malformed_tables(change, message):
    parts = CODER.to_parts() | change
    with pytest.raises(CorruptError, match=message):
        Dense2().from_parts(parts, 12)
    with pytest.raises((Invalid, KeyError, ValueError)):
        dense2_tables(parts, 12)


@pytest.mark.parametrize("part", list(CODER.to_parts()))
def test_a_missing_part(part):
    parts = CODER.to_parts()
    del parts[part]
    with pytest.raises(CorruptError, match=f"lack '{part}'"):
        Dense2().from_parts(parts, 12)


GOOD = CODER.encode(FULL)[LABEL_VALUES]


def stream(drop: int, *lengths: int, rest: bytes = b"") -> bytes:
    return bytes([CODED, drop]) + b"".join(map(varint.encode, lengths)) + rest


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "stream is missing"),
        (b"\x02" + GOOD[1:], "unknown form"),
        (b"\x01", "past the end"),
        (b"\x01\x00", "past the end"),
        (stream(11, 5, 4, 0, 0, rest=bytes(9)), SHAPE),
        (stream(0, 5, 4, 601, 0, rest=bytes(9)), SHAPE),
        (stream(0, 5, 1 << 62, 0, 0, rest=bytes(9)), SHAPE),
        (stream(0, 5, 4, 0, 1, rest=bytes(9)), SHAPE),
        (stream(0, 5, 4, 0, 0, rest=b"\4" + bytes(8)), "coefficients do not decode|end too early"),
        (b"\0\0" + bytes(3), "expected 1200"),
        (GOOD[:-1], "do not decode"),
        (GOOD + b"\0", "do not decode"),
    ],
)
@pytest.mark.parametrize("name", BACKENDS)
def test_malformed(data, message, name):
    with backend(name), pytest.raises(CorruptError, match=message):
        decoded(data)


def test_coefficients_that_are_too_large():
    far = CODER.coefficients_of(FULL)
    far[3, 1] = 32767 // CODER.scales[1] + 1
    with pytest.raises(CorruptError, match="coefficient is out of range"):
        CODER.weights(far)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_streams(data):
    """Refused, or decoded as the specification says; never anything else."""
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] ^= data.draw(st.integers(1, 255))
    cut = bytes(damaged[: data.draw(st.none() | st.integers(1, len(damaged)))])
    try:
        value = decoded(cut).value
    except CorruptError:
        with pytest.raises((Invalid, IndexError)):
            by_specification(cut)
    else:
        assert by_specification(cut).tobytes() == value.tobytes()

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labelcodec.batch import Labels
from labelcodec.codecs import float_bits
from labelcodec.codecs.components import LABEL_VALUES
from labelcodec.codecs.dense.codec import Dense
from labelcodec.codecs.dense.format import CODED, PLAIN
from labelcodec.entropy import packing, tables, varint
from labelcodec.errors import CorruptError, DataError
from tests.backends import BACKENDS, backend
from tests.codecs.content import Recipe, batch, same

USUAL = Recipe()


def labels(recipe: Recipe = USUAL) -> Labels:
    return batch(recipe).labels


FULL = labels(Recipe(samples=50))
CODER = Dense().fit([FULL], 12)


def decoded(data: bytes, coder=CODER, like: Labels = FULL):
    streams = {LABEL_VALUES: memoryview(data)}
    return coder.decode(streams, len(like), replace(like, value=like.value[:0]))


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", BACKENDS)
def test_every_bit_pattern(precision, name):
    """Payloads of NaNs, signalling ones among them, infinities, both zeros, subnormals."""
    rng = np.random.default_rng(0)
    layout = float_bits.LAYOUTS[precision]
    bits = rng.integers(0, 1 << layout.width, (64, 12)).astype(layout.storage)
    bits[:, 3] = [0x7C01, 0xFE00] * 32 if layout.mantissa == 10 else bits[:, 3]
    full = Labels(12, float_bits.from_bits(bits, precision), precision=precision)
    with backend(name):
        for coder in (Dense().fit([full], 12), Dense().fit([], 12)):
            found = decoded(coder.encode(full)[LABEL_VALUES], coder, full)
            assert found.value.tobytes() == full.value.tobytes()


def test_nothing_is_refused():
    full = labels(Recipe(style="any bits"))
    assert Dense().prepare(full, False) is full


def test_topk_source():
    with pytest.raises(DataError, match="use topk"):
        Dense().prepare(labels(Recipe(k=3, tail="zero")), True)
    with pytest.raises(DataError, match="use topk"):
        Dense().kept(3, "zero")


def test_values_of_another_type():
    with pytest.raises(DataError, match="float16 labels need float16"):
        Dense().prepare(replace(FULL, value=FULL.value.astype(np.float32)))


def test_another_precision_than_the_tables():
    single = labels(Recipe(precision="float32", samples=50))
    data = CODER.encode(single)[LABEL_VALUES]
    assert data[0] == PLAIN
    assert same(decoded(data, like=single), single)


def test_half_precision_in_float32_costs_no_more():
    half = CODER.encode(FULL)[LABEL_VALUES]
    single = replace(FULL, value=FULL.value.astype(np.float32), precision="float32")
    wide = Dense().fit([single], 12).encode(single)[LABEL_VALUES]
    assert len(wide) < len(half) * 1.1


def test_like_classes_cost_less():
    """Twenty classes that follow four: what the neighbours say is not paid for again."""
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(4), 5))
    drawn = 4 * rng.normal(size=(4000, 4))[:, group] + rng.normal(0, 0.1, (4000, 20))
    full = Labels(20, drawn.astype(np.float16))
    shuffled = Labels(20, rng.permuted(full.value, axis=0))
    sizes = [len(Dense().fit([part], 20).encode(part)[LABEL_VALUES]) for part in (full, shuffled)]
    assert sizes[0] < 0.93 * sizes[1] and sizes[1] < full.value.nbytes


def test_dump_and_load():
    loaded = Dense().from_parts(CODER.to_parts(), 12)
    assert loaded.to_parts() == CODER.to_parts()
    assert same(loaded.encode(FULL), CODER.encode(FULL))


def with_numbers(known=CODER.known, places=CODER.places, mean=CODER.mean, base=(0,)) -> dict:
    parts = map(packing.pack_ints, map(np.array, (known, places, mean, base)))
    return {"symbols": b"".join(parts)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": b"float64"}, "type 'float64'"),
        ({"precision": b"\xff"}, "values of type"),
        ({"order": packing.pack_ints(np.zeros(12, int))}, "not a permutation"),
        ({"table": b"\0\0"}, "0 contexts"),
        ({"symbols": b""}, "past the end"),
        (with_numbers(known=CODER.known * 0 - 1), "impossible symbol"),
        (with_numbers(known=CODER.known * 0 + 512), "impossible symbol"),
        (with_numbers(places=CODER.places * 0 + (1 << 60)), "places are out of range"),
        (with_numbers(places=CODER.places * 0 - (1 << 60)), "places are out of range"),
        (with_numbers(mean=CODER.mean * 0 + (1 << 26)), "means are out of range"),
        (with_numbers(base=[1 << 61]), "base are out of range"),
        (with_numbers(mean=CODER.mean[:-4]), "past the end|too short"),
    ],
)
def test_malformed_tables(change, message):
    with pytest.raises(CorruptError, match=message):
        Dense().from_parts(CODER.to_parts() | change, 12)


@pytest.mark.parametrize("part", ["precision", "order", "table", "symbols"])
def test_a_missing_part(part):
    parts = CODER.to_parts()
    del parts[part]
    with pytest.raises(CorruptError, match=f"lack '{part}'"):
        Dense().from_parts(parts, 12)


GOOD = CODER.encode(FULL)[LABEL_VALUES]


def stream(drop: int, length: int, count: int, rest: bytes = b"") -> bytes:
    return bytes([CODED, drop]) + varint.encode(length) + varint.encode(count) + rest


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "stream is missing"),
        (b"\x02" + GOOD[1:], "unknown form"),
        (b"\x01", "past the end"),
        (b"\x01\x00", "past the end"),
        (stream(8, 4, 0, bytes(4)), "impossible shape"),
        (stream(0, 4, 601, bytes(4)), "impossible shape"),
        (stream(0, 1 << 62, 0, bytes(4)), "impossible shape"),
        (stream(0, 3, 0, bytes(3)), "no whole words"),
        (stream(0, 4, 600, bytes(4)), "too short"),
        (stream(7, 4, 0, bytes(4) + b"\0"), "bytes too many"),
        (stream(7, 4, 0, bytes(4)), "do not decode"),
        (stream(7, 4, 600, bytes(4 + 675)), "do not decode"),
        (b"\0\0" + bytes(3), "expected 1200"),
        (GOOD[:-1], "too short"),
        (GOOD + b"\0", "bytes too many"),
    ],
)
@pytest.mark.parametrize("name", BACKENDS)
def test_malformed(data, message, name):
    with backend(name), pytest.raises(CorruptError, match=message):
        decoded(data)


def test_tables_of_another_precision():
    single = labels(Recipe(precision="float32", samples=50))
    with pytest.raises(CorruptError, match="unknown form"):
        decoded(GOOD, like=single)


def test_usage():
    sizes = {LABEL_VALUES: len(GOOD)}
    (used,) = CODER.usage(FULL, sizes).values()
    assert used.tables[0].sum() == FULL.value.size and used.coded_bytes == len(GOOD)
    assert used.fixed_bits == FULL.value.size * 7
    assert CODER.usage(labels(Recipe(precision="float32")), sizes) == {}


def test_escapes_of_what_fitting_never_saw():
    far = replace(FULL, value=FULL.value * np.float16(-1000))
    (used,) = CODER.usage(far, {LABEL_VALUES: 1}).values()
    assert used.tables[0][:, -1].sum() > 300
    assert used.fixed_bits == far.value.size * 7 + used.tables[0][:, -1].sum() * 9
    assert same(decoded(CODER.encode(far)[LABEL_VALUES]), far)


def test_at_most_255_symbols():
    rng = np.random.default_rng(0)
    full = Labels(9, rng.integers(0, 1 << 16, (900, 9)).astype(np.uint16).view(np.float16))
    coder = Dense().fit([full], 9)
    assert len(coder.known) == 255 and tables.from_bytes(coder.to_parts()["table"]).escape == 255
    assert same(decoded(coder.encode(full)[LABEL_VALUES], coder, full), full)


def test_extreme_values_do_not_upset_the_fit():
    """Centring them overflows float32."""
    full = labels(Recipe(precision="float32", style="huge"))
    coder = Dense().fit([full], 12)
    assert same(decoded(coder.encode(full)[LABEL_VALUES], coder, full), full)

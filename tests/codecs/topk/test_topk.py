from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from labelcodec.analysis.fidelity import log_softmax
from labelcodec.batch import Labels
from labelcodec.codecs.components import LABEL_INDEX, LABEL_VALUES
from labelcodec.codecs.topk.codec import TopK
from labelcodec.codecs.topk.format import CODED, CONSTANT, MAX_CELLS, MAX_K, PLAIN
from labelcodec.entropy import packing, varint
from labelcodec.errors import ConfigError, CorruptError, DataError
from tests.backends import BACKENDS, backend
from tests.codecs.content import Recipe, batch, recipes, same

FEW = Recipe(samples=50, k=4, tail="zero")


def labels(recipe: Recipe) -> Labels:
    return batch(recipe).labels


def full(*rows: list[float], precision: str = "float16") -> Labels:
    kind = "float16" if precision == "float16" else "float32"
    return Labels(len(rows[0]), np.array(rows, kind), precision=precision)


def decoded(streams: dict, coder, like: Labels) -> Labels:
    views = {stream: memoryview(data) for stream, data in streams.items()}
    blank = Labels(like.classes, like.value[:0], None, like.space, like.tail, like.precision)
    return coder.decode(views, len(like), blank)


class TestSelection:
    @settings(max_examples=40, deadline=None)
    @given(recipes(k=None, tail=None).filter(lambda recipe: recipe.style != "any bits"))
    def test_the_largest_by_value_then_class(self, recipe):
        source = labels(recipe)
        for k in {1, (recipe.classes + 1) // 2, recipe.classes}:
            kept = TopK(k).prepare(source)
            for row, value in enumerate(source.value.tolist()):
                best = sorted(range(recipe.classes), key=lambda c: (-value[c], c))[:k]
                best.sort(key=lambda c: (-value[c], math.copysign(1, -value[c]), c))
                assert kept.index[row].tolist() == best
            taken = np.take_along_axis(source.value, kept.index, axis=1)
            assert taken.tobytes() == kept.value.tobytes()

    @pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
    def test_zeros_of_both_signs_are_equal(self, precision):
        """Picked by class, then ranked so that the levels fall and the coded form holds them."""
        source = full([-1, -0.0, 0.0, -0.0, 0.0], precision=precision)
        kept = TopK(3).prepare(source)
        assert kept.index.tolist() == [[2, 1, 3]]
        assert np.signbit(kept.value).tolist() == [[False, True, True]]
        streams = TopK(3).fit([kept], 5).encode(kept)
        assert streams[LABEL_INDEX][0] & 0xF == CODED

    def test_more_than_2_16_classes(self):
        value = np.zeros((2, 70_000), np.float16)
        value[0, 69_999], value[1, 5] = 2, 1
        assert TopK(2).prepare(Labels(70_000, value)).index.tolist() == [[69_999, 0], [5, 0]]

    def test_k_is_needed(self):
        with pytest.raises(ConfigError, match="need k"):
            TopK().prepare(full([1, 2]))
        with pytest.raises(ConfigError, match="need k"):
            TopK().kept(None, None)

    def test_more_than_there_are(self):
        with pytest.raises(DataError, match="k=3 of 2 classes"):
            TopK(3).prepare(full([1, 2]))
        with pytest.raises(DataError, match="k=5 of labels that hold 4"):
            TopK(5).kept(4, "zero")

    def test_tails(self):
        source = full([3, 1, 2], [5, 6, 4])
        assert TopK(1).prepare(source).tail == "zero"
        floor = TopK(1, tail="floor").prepare(source)
        assert floor.floor.tolist() == [1, 4] and floor.floor.dtype == np.float16
        assert TopK(1, tail="floor").kept(None, None) == (1, "floor")
        with pytest.raises(DataError, match="'uniform' tail needs probabilities"):
            TopK(1, tail="uniform").prepare(source)
        assert TopK(1, tail="uniform").prepare(replace(source, space="probabilities"))

    @pytest.mark.parametrize("step", [None, 0.25])
    @pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
    def test_a_tail_of_their_mass(self, precision, step):
        """The classes left out have together the probability that they have in the source."""
        source = labels(Recipe(classes=40, samples=200, precision=precision))
        kept = TopK(5, step, "mass").prepare(source)
        assert (kept.tail, TopK(5, tail="mass").kept(None, None)) == ("floor", (5, "floor"))
        left_out = np.ones((200, 40), bool)
        np.put_along_axis(left_out, kept.index, False, axis=1)
        mass = [
            np.exp(log_softmax(part.dense().astype(float))).sum(axis=1, where=left_out)
            for part in (kept, source)
        ]
        allowed = 0.04 if precision == "bfloat16" else 0.01  # half a digit of a floor
        assert np.abs(np.log(mass[0] / mass[1])).max() < (allowed if step is None else 0.16)
        coder = TopK(5, step, "mass").fit([kept], 40)
        assert same(decoded(coder.encode(kept), coder, kept), kept)

    @pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
    def test_the_mass_of_fewer_classes(self, precision):
        """Narrowed twice it is what it is narrowed at once, as far as floors are rounded."""
        source = labels(Recipe(classes=40, samples=200, precision=precision))
        twice = TopK(5, tail="mass").prepare(TopK(20, tail="mass").prepare(source))
        once = TopK(5, tail="mass").prepare(source)
        assert (twice.index == once.index).all()
        gap = np.abs(twice.floor.astype(float) - once.floor.astype(float)).max()
        assert gap < (0.2 if precision == "bfloat16" else 0.04)
        kept = TopK(5).prepare(TopK(20, tail="mass").prepare(source))
        assert same(kept.floor, TopK(20, tail="mass").prepare(source).floor)

    def test_labels_without_any_mass_in_the_tail(self):
        source = full([3, 2, 1, -math.inf, -math.inf])
        kept = TopK(3, tail="mass").prepare(source, allow_nonfinite=True)
        assert kept.floor.tolist() == [-math.inf]

    def test_floors_are_of_the_precision_of_the_labels(self):
        """So that another codec gives them back to the bit."""
        source = labels(Recipe(classes=40, samples=50, precision="bfloat16"))
        floor = TopK(5, tail="mass").prepare(source).floor
        assert (floor.view(np.uint32) & 0xFFFF == 0).all()

    def test_a_tail_of_no_classes(self):
        kept = TopK(3, tail="mass").prepare(full([3, 1, 2]))
        assert kept.floor.tolist() == [1]
        with pytest.raises(DataError, match="tail 'mass' is for logits, these are probabilities"):
            TopK(1, tail="mass").prepare(replace(full([3, 1, 2]), space="probabilities"))

    def test_values_that_would_lose_bits(self):
        with pytest.raises(DataError, match="float16 labels need float16"):
            TopK(1).prepare(replace(full([1, 2]), value=np.float32([[1, 2]])))


class TestTopKSource:
    def test_kept_as_it_is(self):
        source = labels(replace(FEW, style="ties", rising=True, twice=True))
        assert TopK().prepare(source) is source
        assert TopK(4).prepare(source) is source
        assert TopK(tail="floor").kept(4, "zero") == (4, "zero")

    def test_fewer(self):
        """The largest of them; among equals those that stand first."""
        source = replace(
            labels(FEW),
            value=np.float16([[1, 3, 3, 2]]),
            index=np.array([[9, 5, 2, 1]]),
        )
        kept = TopK(3).prepare(source)
        assert (kept.index.tolist(), kept.value.tolist()) == ([[5, 2, 1]], [[3, 3, 2]])


class TestSteps:
    @pytest.mark.parametrize("step", [0.25, 0.3, 1e-3, 7.0])
    def test_rounding(self, step):
        source = labels(Recipe(samples=200, precision="float32"))
        kept = TopK(5, step).prepare(source)
        exact = TopK(5).prepare(source)
        by_class = [
            np.take_along_axis(part.value, np.argsort(part.index, axis=1), axis=1)
            for part in (kept, exact)
        ]
        assert (np.sort(kept.index, axis=1) == np.sort(exact.index, axis=1)).all()
        error = np.abs(by_class[0].astype(float) - by_class[1].astype(float))
        assert error.max() <= step / 2 * (1 + 1e-6)
        steps = np.rint(kept.value.astype(float) / step)
        assert ((steps * step).astype(np.float32) == kept.value).all()

    def test_equal_values_stand_in_order_of_class(self):
        kept = TopK(4, 1.0).prepare(full([0.9, 1.1, 2.2, 0.1, 1.8]))
        assert kept.index.tolist() == [[2, 4, 0, 1]]
        assert kept.value.tolist() == [[2, 2, 1, 1]] and kept.value.dtype == np.float32

    def test_no_negative_zero(self):
        kept = TopK(2, 1.0).prepare(full([-0.2, 0.2]))
        assert not np.signbit(kept.value).any() and kept.index.tolist() == [[0, 1]]

    def test_again_is_the_same(self):
        kept = TopK(4, 0.3).prepare(labels(Recipe(samples=50)))
        assert same(TopK(4, 0.3).prepare(kept), kept)

    def test_lossy(self):
        assert TopK(4, 0.25).lossy and not TopK(4).lossy


class TestNotFinite:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("step", [None, 0.5])
    def test_refused_or_kept(self, bad, step):
        source = full([1, 2, 3], [4, bad, 5])
        with pytest.raises(DataError, match="sample 1 has NaN or infinite"):
            TopK(3, step).prepare(source)
        kept = TopK(3, step).prepare(source, allow_nonfinite=True)
        coder = TopK(3, step).fit([kept], 3)
        assert same(decoded(coder.encode(kept), coder, kept), kept)
        assert (~np.isfinite(kept.value)).sum() == 1


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("k", [MAX_K, MAX_K + 1])
def test_around_the_largest_k(name, k):
    if name == "numpy" and k <= MAX_K:
        pytest.skip("a second a sample")
    classes = MAX_K + 1
    value = np.random.default_rng(0).normal(size=(1, classes)).astype(np.float32)
    kept = TopK(k).prepare(Labels(classes, value, precision="float32"))
    coder = TopK(k).fit([], classes)
    with backend(name):
        streams = coder.encode(kept)
        assert (streams[LABEL_INDEX][0] == PLAIN) == (k > MAX_K)
        assert same(decoded(streams, coder, kept), kept)


def test_too_many_values_for_a_batch():
    """What a reader would refuse is not written."""
    rows = MAX_CELLS // 8 + 1
    source = Labels(8, np.zeros((rows, 8), np.float16))
    with pytest.raises(DataError, match=f"at most {MAX_CELLS} fit a batch"):
        TopK(8).prepare(source)
    assert TopK(7).prepare(source).k == 7


KEPT = labels(FEW)
CODER = TopK().fit([KEPT], 12)
GOOD = CODER.encode(KEPT)


def test_dump_and_load():
    loaded = TopK().from_parts(CODER.to_parts(), 12)
    assert loaded.to_parts() == CODER.to_parts() and loaded.encode(KEPT) == GOOD


@pytest.mark.parametrize("part", ["order", "set", "values"])
def test_a_missing_part(part):
    parts = CODER.to_parts()
    del parts[part]
    with pytest.raises(CorruptError, match=f"lack '{part}'"):
        TopK().from_parts(parts, 12)


@pytest.mark.parametrize(("one", "other"), [("set", "values"), ("values", "set")])
def test_tables_of_other_contexts(one, other):
    with pytest.raises(CorruptError, match="number of contexts"):
        TopK().from_parts(CODER.to_parts() | {one: CODER.to_parts()[other]}, 12)


def test_tables_with_fewer_symbols():
    """A file may hold them; what they lack is escaped."""
    from labelcodec.entropy import tables

    small = replace(
        CODER,
        sets=tables.fit(np.ones((17, 2), np.int64)),
        gaps=tables.fit(np.ones((33, 2), np.int64)),
    )
    for name in BACKENDS:
        with backend(name):
            assert same(decoded(small.encode(KEPT), small, KEPT), KEPT)


def test_floor_in_steps():
    source = replace(FEW, k=None, tail=None)
    kept = TopK(4, 0.25, "floor").prepare(labels(source))
    coder = TopK(4, 0.25, "floor").fit([kept], 12)
    assert same(decoded(coder.encode(kept), coder, kept), kept)


def changed(index: bytes | None = None, value: bytes | None = None) -> dict:
    found = {LABEL_INDEX: index, LABEL_VALUES: value}
    return GOOD | {stream: data for stream, data in found.items() if data is not None}


INDEX, VALUES = GOOD[LABEL_INDEX], GOOD[LABEL_VALUES]
CELLS = KEPT.value.size


def plain(index: np.ndarray) -> dict:
    return changed(
        bytes([PLAIN, 4]) + packing.pack_ints(index),
        bytes([PLAIN]) + packing.pack_floats(KEPT.value.ravel()),
    )


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ({}, "label index stream is missing"),
        ({LABEL_INDEX: INDEX}, "label values stream is missing"),
        (changed(index=b"\x02"), "label index stream is missing"),
        (changed(index=bytes([CODED, 0]) + INDEX[2:]), "k=0"),
        (changed(index=bytes([CODED, 13]) + INDEX[2:]), "k=13"),
        (changed(index=bytes([CODED]) + varint.encode(1 << 62)), "k=46"),
        (changed(index=bytes([CODED, 5]) + INDEX[2:]), "do not decode|end too early"),
        (changed(index=bytes([3]) + INDEX[1:]), "unknown form"),
        (changed(index=bytes([PLAIN]) + INDEX[1:]), "unknown form"),
        (changed(index=INDEX[:-1]), "class ranks do not decode"),
        (changed(index=INDEX + b"\0\0"), "class ranks do not decode"),
        (changed(index=INDEX[:2] + varint.encode(1 << 62) + INDEX[3:]), "do not decode|longer"),
        (changed(value=b"\x02\0\0\0"), "bytes too many"),
        (changed(value=b"\x03\0\0"), "unknown form"),
        (changed(value=b"\x01\x20\0" + bytes(9)), "impossible shape"),
        (changed(value=b"\x01\x1f" + VALUES[2:]), "outside its type"),
        (changed(value=VALUES[:-1]), "label values do not decode"),
        (changed(value=VALUES + b"\0"), "label values do not decode"),
        (changed(value=bytes([CONSTANT, 0]) + varint.encode(1 << 62)), "outside its type|ranks"),
        (plain(np.full(CELLS, 12)), "class outside 0..11"),
        (plain(np.full(CELLS, -1)), "class outside 0..11"),
        (changed(index=plain(np.zeros(CELLS, int))[LABEL_INDEX]), "unknown form"),
    ],
)
@pytest.mark.parametrize("name", BACKENDS)
def test_malformed(streams, message, name):
    with backend(name), pytest.raises(CorruptError, match=message):
        decoded(streams, CODER, KEPT)


def test_plain_of_another_length():
    streams = plain(np.zeros(CELLS, int))
    streams[LABEL_INDEX] += b"\0"
    with pytest.raises(CorruptError, match="class outside"):
        decoded(streams, CODER, KEPT)


def test_usage():
    sizes = {stream: len(data) for stream, data in GOOD.items()}
    used = CODER.usage(KEPT, sizes)
    assert used["label index"].tables[0].sum() == used["label values"].tables[0].sum() == CELLS
    assert used["label index"].fixed_bits >= 50 * np.log2(24)  # the order of four
    twice = labels(replace(FEW, twice=True))
    assert CODER.usage(twice, sizes) == {}

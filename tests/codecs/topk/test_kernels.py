"""The topk codec's inner loops: compiled against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.codecs.float_bits import from_levels, to_levels
from labelcodec.codecs.topk import compiled as topk_compiled
from labelcodec.codecs.topk.contexts import gap_contexts
from labelcodec.entropy import coding, compiled, reference, tables
from tests.kernels import (
    LANES,
    agree,
    agree_or_fail,
    both,
    damaged,
    few,
    random_table,
    seeds,
)


@few
@given(seeds, st.integers(1, 9), st.integers(1, 6), st.sampled_from(LANES))
def test_sets(seed, rows, k, lanes):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(k, 60))
    rise = np.sort(np.array([rng.permutation(classes)[:k] for _ in range(rows)]), axis=1)
    gaps = (np.diff(rise, axis=1, prepend=-1) - 1).T
    contexts = np.full((k, rows), 16)
    for i in range(1, k):
        contexts[i] = gap_contexts(gaps[i - 1], gaps[max(i - 2, 0)])
    table = random_table(rng, 17)
    states, words, bits = agree(
        "encode_values", gaps.ravel(), contexts.ravel(), table.packed, lanes
    )
    order = rng.permutation(classes)
    rest = (rows, k, order, table.lookup)
    found = agree_or_fail("set_decode", states, words, bits, *rest)
    assert found[1] == 0 and (found[0] == order[rise]).all()
    states, words, bits = damaged(rng, states, words, bits)
    members, bad = agree_or_fail("set_decode", states, words, bits, *rest)
    assert bad or ((members >= 0) & (members < classes)).all()


def test_sets_of_the_last_class():
    """A gap that leads to class C is refused, the one to class C - 1 is not."""
    table = tables.fit(np.tile(np.arange(124) == 4, (17, 1)).astype(np.int64))
    states, words = reference.rans_encode(table.packed[:1, 4], 1)
    nothing = np.zeros(0, np.uint8)
    for classes, status in ((5, 0), (4, 1)):
        order = np.arange(classes)
        found = agree_or_fail("set_decode", states, words, nothing, 1, 1, order, table.lookup)
        assert found[1] == status


@few
@given(seeds, st.integers(1, 9), st.integers(1, 20), st.booleans())
def test_rankings(seed, rows, k, is_signed):
    """Any labels: also such as repeat a class, rise, or are all the same."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(k, 200))
    index = np.array([rng.permutation(classes)[:k] for _ in range(rows)])
    index[rng.random(index.shape) < rng.choice([0, 0.1])] = 0
    levels = falling(rng, rows, k) + (0 if is_signed else 1 << 36)
    if rng.random() < 0.2:
        levels[:] = rng.permuted(levels, axis=1)
    if rng.random() < 0.2:
        levels[:] = levels[0, 0]
    position = rng.permutation(classes)
    results = both("rank_labels", position, index, levels, is_signed)
    (*arrays, facts), (*others, compiled_facts) = results
    assert facts == compiled_facts
    if not facts.repeated:
        for array, other in zip(arrays, others, strict=True):
            assert (array == other).all() and array.dtype == other.dtype


def falling(rng: np.random.Generator, rows: int, k: int) -> np.ndarray:
    """Levels with anything from no tie to nothing but ties."""
    steps = rng.integers(0, rng.choice([1, 2, 5, 1 << 30]), (rows, k))
    return -np.cumsum(steps, axis=1)


@few
@given(seeds, st.integers(1, 9), st.integers(1, 40), st.sampled_from(LANES))
def test_arrangements(seed, rows, k, lanes):
    rng = np.random.default_rng(seed)
    levels = falling(rng, rows, k)
    members = np.sort(np.array([rng.permutation(90)[:k] for _ in range(rows)]), axis=1)
    ranks = np.array([rng.permutation(k) for _ in range(rows)])
    intervals = agree("order_intervals", ranks, levels)
    assert (intervals & 0xFFFF > 0).all()
    states, words = reference.rans_encode(intervals, lanes)
    found, status = agree_or_fail("order_decode", states, words, levels, members)
    assert status == 0
    by_rank = np.zeros_like(members)
    np.put_along_axis(by_rank, ranks, members, axis=1)
    within = np.lexsort((by_rank, -levels), axis=1)  # equal levels come in order of class
    assert (found == np.take_along_axis(by_rank, within, axis=1)).all()
    states, words, _ = damaged(rng, states, words, words)
    found, bad = agree_or_fail("order_decode", states, words, levels, members)
    assert bad or (np.sort(found, axis=1) == members).all()


def test_a_long_tie():
    """All levels equal, classes falling: sorted in less than quadratic time (see attacks)."""
    levels, members = np.zeros((128, 4096), np.int64), np.tile(np.arange(4096)[::-1], (128, 1))
    states, words = compiled.rans_encode(topk_compiled.order_intervals(members, levels), 32)
    found, status = topk_compiled.order_decode(states, words, levels, members)
    assert status == 0 and (found == np.arange(4096)).all()


@pytest.mark.parametrize("k", [4095, 4096])
def test_the_longest_arrangement(k):
    """At k = 4096 each interval is one slot of the 4096."""
    rng = np.random.default_rng(k)
    ranks, members = rng.permutation(k)[None], np.arange(k)[None]
    levels = -np.arange(k)[None]
    intervals = agree("order_intervals", ranks, levels)
    states, words = compiled.rans_encode(intervals, 2)
    found, status = agree_or_fail("order_decode", states, words, levels, members)
    assert status == 0 and (found[0, ranks[0]] == np.arange(k)).all()


@few
@given(seeds, st.sampled_from([np.uint16, np.uint32]), st.integers(1, 400))
def test_largest(seed, dtype, classes):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, classes + 1))
    width = 8 * np.dtype(dtype).itemsize
    bits = rng.integers(0, 1 << int(rng.choice([2, width])), (3, classes)).astype(dtype)
    bits[rng.random(bits.shape) < 0.3] &= dtype(1 << (width - 1))  # zeros of both signs
    agree("largest", bits, k, int(rng.integers(1, width - 1)))


@pytest.mark.parametrize("value", [0, 0x7C00])
def test_largest_of_more_classes_than_16_bits_count(value):
    """All equal, or all infinite but one: no bound leaves few classes."""
    bits = np.full((1, 70_000), value, np.uint16)
    bits[0, -1] = 0x3C00
    index, _, finite = agree("largest", bits, 3, 10)
    first = [69_999, 0, 1] if value == 0 else [0, 1, 2]
    assert index.tolist() == [first] and finite == (value == 0)


@few
@given(seeds, st.integers(1, 9), st.integers(1, 20), st.sampled_from(LANES), st.booleans())
def test_levels(seed, rows, k, lanes, is_signed):
    rng = np.random.default_rng(seed)
    table, contexts = random_table(rng, 33), rng.integers(0, 33, k)
    values = rng.integers(0, rng.choice([3, 1 << 30]), (k, rows))
    states, words, bits = agree(
        "encode_values", values.ravel(), np.repeat(contexts, rows), table.packed, lanes
    )
    rest = (contexts, rows, is_signed, table.lookup)
    levels, status = agree_or_fail("levels_decode", states, words, bits, *rest)
    first = (values[0] >> 1) ^ -(values[0] & 1) if is_signed else values[0]
    assert status == 0 and (levels[:, 0] == first).all()
    assert (levels[:, :-1] - levels[:, 1:] == values[1:].T).all()
    states, words, bits = damaged(rng, states, words, bits)
    agree_or_fail("levels_decode", states, words, bits, *rest)


@few
@given(seeds, st.sampled_from([np.uint16, np.uint32]))
def test_level_bits(seed, dtype):
    rng = np.random.default_rng(seed)
    drop = int(rng.integers(0, 8 * np.dtype(dtype).itemsize))
    width = 8 * np.dtype(dtype).itemsize - drop
    levels = rng.integers(0, 1 << width, (3, 4))
    bits, status = agree_or_fail("level_bits", levels, width, drop, dtype)
    assert status == 0 and bits.dtype == dtype
    assert (to_levels(bits >> drop, width) == levels).all()
    again, zeros = agree("bit_levels", bits)
    assert zeros >= drop and (from_levels(again, width + drop - zeros) << zeros == bits).all()
    for bad in (-1, 1 << width):
        levels[1, 2] = bad
        assert agree_or_fail("level_bits", levels, width, drop, dtype)[1] == 1


@few
@given(seeds, st.integers(1, 9) | st.just(300), st.integers(1, 30), st.sampled_from(LANES))
def test_three_parts_at_once(seed, rows, k, lanes):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(k, 90))
    index = np.array([rng.permutation(classes)[:k] for _ in range(rows)])
    levels, order = falling(rng, rows, k) + (1 << 36), rng.permutation(classes)
    gaps, contexts, ranks, values, _ = topk_compiled.rank_labels(
        np.argsort(order), index, levels, False
    )
    sets, falls, rank_contexts = (
        random_table(rng, 17),
        random_table(rng, 33),
        rng.integers(0, 33, k),
    )
    values[0] &= (1 << 30) - 1
    set_part = compiled.encode_values(gaps.ravel(), contexts.ravel(), sets.packed, lanes)
    value_part = compiled.encode_values(
        values.ravel(), np.repeat(rank_contexts, rows), falls.packed, lanes
    )
    distinct = np.tile(-np.arange(k), (rows, 1))
    order_part = compiled.rans_encode(topk_compiled.order_intervals(ranks, distinct), lanes)
    expected = (*set_part, *value_part, *order_part)
    for encoded in both(
        "labels_encode", gaps, contexts, ranks, values, rank_contexts.astype(np.uint16),
        sets.packed, falls.packed, lanes,
    ):  # fmt: skip
        parts = [array for part in encoded for array in part]
        assert all(np.array_equal(a, b) for a, b in zip(parts, expected, strict=True))
    parts = [coding.join_symbols(*set_part), coding.join_symbols(*value_part)]
    parts.append(coding.join_rans(*order_part))
    rest = (lanes, rows, order, rank_contexts.astype(np.uint16), sets.lookup, falls.lookup)
    for found, decoded, status in both("labels_decode", *parts, *rest, np.int64, 0):
        first = (values[0] >> 1) ^ -(values[0] & 1)
        assert status == 0 and (found == index).all()
        assert (decoded[:, 0] == first).all()
        assert (decoded[:, :-1] - decoded[:, 1:] == values[1:].T).all()
    dtype, drop = (np.uint16, np.uint32)[int(rng.integers(2))], int(rng.integers(16))
    same_or_refused(*parts, *rest, dtype, drop)
    damaged_parts = [set_part, value_part, (*order_part, order_part[1].view(np.uint8))]
    which = int(rng.integers(3))
    damaged_parts[which] = damaged(rng, *damaged_parts[which])
    join = (
        coding.join_symbols,
        coding.join_symbols,
        lambda states, words, _: coding.join_rans(states, words),
    )
    parts[which] = join[which](*damaged_parts[which])
    same_or_refused(*parts, *rest, dtype, drop)
    parts[which] = parts[which][: rng.integers(len(parts[which]) + 1)]
    same_or_refused(*parts, *rest, np.int64, 0)


def same_or_refused(*arguments):
    """Both backends refuse a batch's parts, or find the same in them."""
    (index, values, status), (other, others, compiled_status) = both("labels_decode", *arguments)
    assert bool(status) == bool(compiled_status)
    if not status:
        assert (index == other).all() and (values == others).all()
        assert values.dtype == others.dtype


@few
@given(seeds, st.sampled_from([np.uint16, np.uint32]), st.integers(1, 150))
def test_three_parts_of_bits(seed, dtype, rows):
    """Values of any bits, some of them without their lowest ones."""
    rng = np.random.default_rng(seed)
    k, drop = 5, int(rng.integers(8 * np.dtype(dtype).itemsize))
    bits = rng.integers(0, np.iinfo(dtype).max, (rows, k), dtype, endpoint=True) >> drop << drop
    width = 8 * np.dtype(dtype).itemsize - drop
    levels = -np.sort(-to_levels(bits >> drop, width), axis=1)
    bits = (from_levels(levels, width) << drop).astype(dtype)
    index, order = np.tile(np.arange(k), (rows, 1)), np.arange(9)
    gaps, contexts, ranks, values, _ = topk_compiled.rank_labels(order, index, levels, False)
    table, rank_contexts = random_table(rng, 17), np.arange(k, dtype=np.uint16)
    *parts, order_part = topk_compiled.labels_encode(
        gaps, contexts, ranks, values, rank_contexts, table.packed, table.packed, 4
    )
    coded = [coding.join_symbols(*part) for part in parts] + [coding.join_rans(*order_part)]
    rest = (4, rows, order, rank_contexts, table.lookup, table.lookup, dtype)
    for found, decoded, status in both("labels_decode", *coded, *rest, drop):
        assert status == 0 and (found == index).all()
        assert decoded.dtype == dtype and (decoded == bits).all()
    if width > 1 and (levels >> (width - 1)).any():  # a level that needs all of its bits
        for *_, status in both("labels_decode", *coded, *rest, drop + 1):
            assert status == 4

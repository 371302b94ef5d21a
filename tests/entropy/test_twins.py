"""Every coder in plain numpy against its compiled twin: bytes, values and status on bad input."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.entropy import kernels, plain, tables

LANES = (1, 2, 3, 8, 32)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=40, deadline=None)


def both(name: str, *arguments):
    """What the two twins make of copies of the arguments."""
    return [
        getattr(module, name)(*(a.copy() if isinstance(a, np.ndarray) else a for a in arguments))
        for module in (plain, kernels)
    ]


def agree(name: str, *arguments):
    """The twins' common result; all of its arrays and numbers are equal."""
    one, other = both(name, *arguments)
    parts, others = (r if isinstance(r, tuple) else (r,) for r in (one, other))
    for a, b in zip(parts, others, strict=True):
        assert np.array_equal(a, b), name
        assert np.asarray(a).dtype.kind == np.asarray(b).dtype.kind
    return other


def agree_or_fail(name: str, *arguments):
    """The same where they succeed (status 0); otherwise both must fail."""
    (one, status), (other, compiled) = both(name, *arguments)
    assert status == compiled
    if not status:
        assert np.array_equal(one, other)
    return other, compiled


def random_table(rng: np.random.Generator, contexts: int, symbols: int = 124) -> tables.TableSet:
    seen = rng.integers(0, 5, (contexts, symbols)) * (rng.random((contexts, symbols)) < 0.3)
    return tables.fit(seen.astype(np.int64))


def damaged(rng: np.random.Generator, states, words, extra):
    """States, words and extra bits: intact, cut, grown, changed or noise."""
    kind = rng.integers(6)
    words = words.copy()
    if kind == 1 and len(words):
        words = words[: rng.integers(len(words))]
    elif kind == 2:
        words = np.append(words, rng.integers(0, 1 << 16, 2)).astype(np.uint16)
    elif kind == 3 and len(words):
        words[rng.integers(len(words))] ^= 1 << rng.integers(16)
    elif kind == 4:
        states = rng.integers(0, 1 << 32, len(states)).astype(np.uint32)
        words = rng.integers(0, 1 << 16, len(words)).astype(np.uint16)
    elif kind == 5:
        extra = extra[: len(extra) // 2]
    return states, words, extra


def test_both_have_the_same_functions():
    plains, compiled = (
        {
            name
            for name, value in vars(module).items()
            if callable(value) and not name.startswith("_") and not inspect.isclass(value)
            if getattr(value, "__module__", "").startswith("labelcodec")
        }
        for module in (plain, kernels)
    )
    assert plains - {"gap_contexts"} == compiled


@few
@given(seeds, st.sampled_from(LANES), st.integers(0, 200))
def test_rans(seed, lanes, count):
    rng = np.random.default_rng(seed)
    table = random_table(rng, 3)
    contexts = rng.integers(0, 3, count)
    slots = rng.integers(0, 4096, count)
    symbols = (table.starts[contexts] <= slots[:, None]).sum(axis=1) - 1
    starts, freqs = table.starts[contexts, symbols], table.freqs[contexts, symbols]
    states, words = agree("rans_encode", starts, freqs, lanes)
    assert states.dtype == np.uint32 and words.dtype == np.uint16
    left = states.astype(np.uint64)
    decoded, read = kernels.rans_decode(left, words, 0, 0, contexts, table.lookup)
    assert (decoded == symbols).all()
    assert read == len(words) and (left == 1 << 16).all()


@few
@given(seeds, st.sampled_from(LANES))
def test_rans_in_parts(seed, lanes):
    """A decoder may stop anywhere and go on; both leave the same states behind."""
    rng = np.random.default_rng(seed)
    table = random_table(rng, 1)
    symbols = (table.starts[0] <= rng.integers(0, 4096, (90, 1))).sum(axis=1) - 1
    states, words = plain.rans_encode(table.starts[0, symbols], table.freqs[0, symbols], lanes)
    cut = int(rng.integers(0, 91))
    for module in (plain, kernels):
        left, read, found = states.astype(np.uint64), 0, []
        for first, part in ((0, symbols[:cut]), (cut, symbols[cut:])):
            contexts = np.zeros(len(part), np.int64)
            decoded, read = module.rans_decode(left, words, read, first, contexts, table.lookup)
            found += decoded.tolist()
        assert found == symbols.tolist()
        assert read == len(words) and (left == 1 << 16).all()


@few
@given(seeds, st.sampled_from(LANES), st.integers(0, 60), st.integers(0, 40))
def test_rans_decoding_noise(seed, lanes, count, length):
    rng = np.random.default_rng(seed)
    table = random_table(rng, 2)
    states = rng.integers(0, 1 << 32, lanes).astype(np.uint64)
    words = rng.integers(0, 1 << 16, length).astype(np.uint16)
    contexts = rng.integers(0, 2, count)
    (one, read), (other, compiled) = both(
        "rans_decode", states, words, 0, 5, contexts, table.lookup
    )
    assert read == compiled
    assert read < 0 or (one == other).all()


@few
@given(seeds, st.integers(0, 60), st.integers(0, 40), st.sampled_from([0, 5, 124, 255]))
def test_extra_bits(seed, count, length, escape):
    rng = np.random.default_rng(seed)
    symbols = rng.integers(0, rng.choice([20, 126, 256]), count).astype(np.uint8)
    data = rng.integers(0, 256, length).astype(np.uint8)
    first = int(rng.integers(0, 8 * length + 1))
    (one, behind), (other, compiled) = both("extra_decode", symbols, escape, data, first)
    assert behind == compiled
    assert behind < 0 or (one == other).all()


@few
@given(seeds, st.integers(1, 9), st.integers(1, 6), st.sampled_from(LANES))
def test_sets(seed, rows, k, lanes):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(k, 60))
    rise = np.sort(np.array([rng.permutation(classes)[:k] for _ in range(rows)]), axis=1)
    gaps = (np.diff(rise, axis=1, prepend=-1) - 1).T
    contexts = np.full((k, rows), 16)
    for i in range(1, k):
        contexts[i] = plain.gap_contexts(gaps[i - 1], gaps[max(i - 2, 0)])
    table = random_table(rng, 17)
    token, width, extra = agree("split_tokens", gaps.ravel())
    starts, freqs, named, widths = agree(
        "table_intervals", contexts.ravel(), token, width, extra, table.starts, table.freqs
    )
    states, words = plain.rans_encode(starts, freqs, lanes)
    bits = agree("pack_bits", named, widths)
    found = agree_or_fail(
        "set_decode", states, words, bits, rows, k, classes, table.lookup, table.escape
    )
    assert found[1] == 0 and (found[0] == rise).all()
    states, words, bits = damaged(rng, states, words, bits)
    positions, bad = agree_or_fail(
        "set_decode", states, words, bits, rows, k, classes, table.lookup, table.escape
    )
    assert bad or ((positions >= 0) & (positions < classes)).all()


def test_sets_of_the_last_class():
    """A gap that leads to class C is refused, the one to class C - 1 is not."""
    table = tables.fit(np.tile(np.arange(124) == 4, (17, 1)).astype(np.int64))
    states, words = plain.rans_encode(table.starts[:1, 4], table.freqs[:1, 4], 1)
    nothing = np.zeros(0, np.uint8)
    for classes, status in ((5, 0), (4, 1)):
        found = agree_or_fail(
            "set_decode", states, words, nothing, 1, 1, classes, table.lookup, table.escape
        )
        assert found[1] == status


@few
@given(seeds, st.integers(1, 9), st.sampled_from(LANES))
def test_boxes(seed, rows, lanes):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 600, (rows, 2)).astype(np.int32)
    sides = rng.integers(1, size + 1)
    places = rng.integers(0, size - sides + 1)
    height, width = random_table(rng, 1), random_table(rng, 124)
    symbols = [kernels.split_tokens(column) for column in sides.T]
    parts = [
        kernels.table_intervals(contexts, *coded, table.starts, table.freqs)
        for contexts, coded, table in zip(
            (np.zeros(rows, np.int64), symbols[0][0]), symbols, (height, width), strict=True
        )
    ]
    starts, freqs, extra, widths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    states, words = plain.rans_encode(starts, freqs, lanes)
    digits = kernels.group_digits(places.ravel(), (size - sides + 1).ravel())
    bits = kernels.pack_bits(
        np.concatenate([extra, digits[0]]), np.concatenate([widths, digits[1]])
    )
    rest = (size, height.lookup, width.lookup, height.escape, width.escape)
    found, status = agree_or_fail("box_decode", states, words, bits, *rest)
    assert status == 0 and (found == np.hstack([places, sides])).all()
    states, words, bits = damaged(rng, states, words, bits)
    found, status = agree_or_fail("box_decode", states, words, bits, *rest)
    assert status or (found[:, :2] + found[:, 2:] <= size).all()


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
    starts, freqs = agree("order_intervals", ranks, levels)
    assert (freqs > 0).all()
    states, words = plain.rans_encode(starts, freqs, lanes)
    found, status = agree_or_fail("order_decode", states, words, levels, members)
    assert status == 0
    by_rank = np.zeros_like(members)
    np.put_along_axis(by_rank, ranks, members, axis=1)
    within = np.lexsort((by_rank, -levels), axis=1)  # equal levels come in order of class
    assert (found == np.take_along_axis(by_rank, within, axis=1)).all()
    states, words, _ = damaged(rng, states, words, words)
    found, bad = agree_or_fail("order_decode", states, words, levels, members)
    assert bad or (np.sort(found, axis=1) == members).all()


COUNTING = """
import numpy as np
from labelcodec.entropy import kernels, plain

class Counted(np.ndarray):
    reads = 0

    def __getitem__(self, at):
        Counted.reads += 1
        return super().__getitem__(at)

levels = np.zeros((1, 1024), np.int64)
members = np.arange(1024)[None, ::-1].copy()
with np.errstate(over="ignore"):
    starts, freqs = kernels.order_intervals(members, levels)
    states, words = plain.rans_encode(starts, freqs, 2)
    found, status = kernels.order_decode(states, words, levels.view(Counted), members)
assert status == 0 and (found[0] == np.arange(1024)).all()
print(Counted.reads)
"""


def test_work_of_a_long_tie():
    """Not quadratic: hostile labels that are all equal, classes falling, are no dead end."""
    reads = subprocess.run(
        [sys.executable, "-c", COUNTING],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(reads.stdout) < 1024 * 64


@pytest.mark.parametrize("k", [4095, 4096])
def test_the_longest_arrangement(k):
    """At k = 4096 each interval is one slot of the 4096."""
    rng = np.random.default_rng(k)
    ranks, members = rng.permutation(k)[None], np.arange(k)[None]
    levels = -np.arange(k)[None]
    starts, freqs = agree("order_intervals", ranks, levels)
    states, words = kernels.rans_encode(starts, freqs, 2)
    found, status = agree_or_fail("order_decode", states, words, levels, members)
    assert status == 0 and (found[0, ranks[0]] == np.arange(k)).all()


@few
@given(seeds, st.integers(1, 9), st.integers(1, 40), st.sampled_from(LANES))
def test_dense(seed, rows, classes, lanes):
    rng = np.random.default_rng(seed)
    high_bits = int(rng.choice([9, 12]))
    known = np.sort(rng.permutation(1 << high_bits)[: rng.integers(0, 200)])
    places = rng.integers(-(1 << rng.integers(2, 25)), 1 << rng.integers(2, 25), len(known))
    place_of = np.full(1 << high_bits, plain.UNKNOWN)
    place_of[known] = places
    symbol_of = np.full(1 << high_bits, len(known), np.uint8)
    symbol_of[known] = np.arange(len(known))
    mean = rng.integers(-(1 << 25), 1 << 25, classes) >> int(rng.choice([0, 18]))
    base = int(rng.integers(-3000, 3000))
    table = random_table(rng, int(rng.integers(1, 128)), len(known))
    high = rng.integers(0, 1 << high_bits, (rows, classes)).astype(np.uint16)
    if len(known):
        high = np.where(rng.random(high.shape) < 0.9, rng.choice(known, high.shape), high)
    high = high.astype(np.uint16)
    contexts = agree("dense_contexts", high, place_of, mean, base, len(table.freqs) - 1)
    assert contexts.max() < len(table.freqs)
    starts, freqs, escaped = agree(
        "dense_intervals", high, place_of, mean, base, symbol_of, table.starts, table.freqs
    )
    states, words = plain.rans_encode(starts, freqs, lanes)
    escapes = high.T.ravel()[escaped].astype(np.int64)
    rest = (known, place_of, mean, base, table.lookup, table.escape)
    found, status = agree_or_fail("dense_decode", states, words, rows, escapes, *rest)
    assert status == 0 and (found == high).all()
    states, words, escapes = damaged(rng, states, words, escapes)
    agree_or_fail("dense_decode", states, words, rows, escapes, *rest)


def test_dense_escapes_left_over():
    table = tables.fit(np.ones((1, 1), np.int64))
    states, words = plain.rans_encode(table.starts[:, 0], table.freqs[:, 0], 1)
    place_of, one = np.zeros(512, np.int64), np.array([1])
    for escapes, status in ((np.zeros(0, np.int64), 0), (one, 1)):
        found = agree_or_fail(
            "dense_decode", states, words, 1, escapes, one, place_of, one, 0, table.lookup, 1
        )
        assert found[1] == status


@few
@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 63)), max_size=40))
def test_bits(pairs):
    values = np.array([value & ((1 << width) - 1) for value, width in pairs], np.uint64)
    widths = np.array([width for _, width in pairs], np.int64)
    data = agree("pack_bits", values, widths)
    whole = sum(v << int(widths[:i].sum()) for i, v in enumerate(values.tolist()))
    assert int.from_bytes(data.tobytes(), "little") == whole
    assert len(data) == (int(widths.sum()) + 7) // 8


@few
@given(seeds, st.integers(0, 40), st.integers(0, 62))
def test_fixed_widths(seed, count, width):
    values = np.random.default_rng(seed).integers(0, 1 << width, count)
    data = agree("pack_fixed", values, width)
    for module in (plain, kernels):
        found = np.empty(count, np.uint32 if width <= 32 else np.uint64)
        module.unpack_fixed(data, width, found)
        assert (found == values).all()


@few
@given(seeds, st.integers(1, 60))
def test_permutations(seed, count):
    permutation = np.random.default_rng(seed).permutation(count)
    digits = agree("permutation_digits", permutation)
    assert (digits < np.arange(count, 0, -1)).all() and (digits >= 0).all()
    data = kernels.pack_bits(*kernels.group_digits(digits, np.arange(count, 0, -1)))
    found, status = agree_or_fail("unpack_permutation", data, count)
    assert status == 0 and (found == permutation).all()
    for bad in (np.append(data, np.uint8(0)), data[:-1], ~data):
        found, status = agree_or_fail("unpack_permutation", bad, count)
        assert status or (np.sort(found) == np.arange(count)).all()


@few
@given(seeds, st.integers(0, 60), st.sampled_from([1, 4, 1000, 1 << 24]), st.integers(0, 12))
def test_digits(seed, count, most, offset):
    rng = np.random.default_rng(seed)
    radices = rng.integers(1, most + 1, count)
    digits = rng.integers(0, radices)
    values, widths = agree("group_digits", digits, radices)
    assert (widths <= 62).all()
    values, widths = np.insert(values, 0, 0), np.insert(widths, 0, offset)
    data = kernels.pack_bits(values, widths)
    found, status = agree_or_fail("unpack_digits", data, offset, radices)
    assert status == 0 and (found == digits).all()
    for bad in (np.append(data, np.uint8(0)), data[:-1], ~data):
        found, status = agree_or_fail("unpack_digits", bad, min(offset, 8 * len(bad)), radices)
        assert status or ((found >= 0) & (found < radices)).all()


def test_digits_above_their_radix():
    """A number as large as the product of the radices names no digits."""
    assert agree_or_fail("unpack_digits", np.array([5], np.uint8), 0, np.array([5]))[1] == 1
    assert agree_or_fail("unpack_digits", np.array([4], np.uint8), 0, np.array([5]))[1] == 0


@few
@given(seeds, st.sampled_from([(16, 16), (32, 20)]))
def test_ranking_keys(seed, widths):
    rng = np.random.default_rng(seed)
    width, shift = widths
    bits = rng.integers(0, 1 << width, (3, 7)).astype(f"uint{width}")
    bits[rng.random(bits.shape) < 0.3] &= 1 << (width - 1)  # zeros of both signs
    found = []
    for module in (plain, kernels):
        keys = np.empty(bits.shape, "uint32" if width == 16 else "uint64")
        module.ranking_keys(bits, width, shift, keys)
        found.append(keys)
    assert (found[0] == found[1]).all()

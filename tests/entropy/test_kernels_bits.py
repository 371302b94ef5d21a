"""The coders of plain bits and digits against their compiled twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.entropy import compiled, reference
from labelcodec.entropy.reference.bits import group_digits
from tests.kernels import agree, agree_or_fail, both, few, seeds


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
@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 63)), max_size=40))
def test_bits(pairs):
    values = np.array([value & ((1 << width) - 1) for value, width in pairs], np.uint64)
    widths = np.array([width for _, width in pairs], np.int64)
    data = agree("pack_bits", values, widths)
    whole = sum(v << int(widths[:i].sum()) for i, v in enumerate(values.tolist()))
    assert int.from_bytes(data.tobytes(), "little") == whole
    assert len(data) == (int(widths.sum()) + 7) // 8


@few
@given(seeds, st.integers(0, 40) | st.just(600), st.integers(0, 62))
def test_fixed_widths(seed, count, width):
    values = np.random.default_rng(seed).integers(0, 1 << width, count)
    data = agree("pack_fixed", values, width)
    for module in (reference, compiled):
        found = np.empty(count, np.uint32 if width <= 32 else np.uint64)
        module.unpack_fixed(data, width, found)
        assert (found == values).all()
    low = -(1 << 61)
    assert (agree("unpack_column", data, width, low, count) == values + low).all()


@few
@given(seeds, st.integers(1, 60))
def test_permutations(seed, count):
    permutation = np.random.default_rng(seed).permutation(count)
    data = agree("pack_permutation", permutation)
    found, status = agree_or_fail("unpack_permutation", data, count)
    assert status == 0 and (found == permutation).all()
    for bad in (np.append(data, np.uint8(0)), data[:-1], ~data):
        found, status = agree_or_fail("unpack_permutation", bad, count)
        assert status or (np.sort(found) == np.arange(count)).all()
    permutation[np.argmax(permutation)] = np.random.default_rng(seed).choice(
        [-1, 0, count, 1 << 40]
    )
    if count > 1:
        assert both("pack_permutation", permutation) == [None, None]


@few
@given(seeds, st.integers(0, 60), st.sampled_from([1, 4, 1000, 1 << 24]), st.integers(0, 12))
def test_digits(seed, count, most, offset):
    rng = np.random.default_rng(seed)
    radices = rng.integers(1, most + 1, count)
    digits = rng.integers(0, radices)
    values, widths = group_digits(digits, radices)
    assert (widths <= 62).all()
    values, widths = np.insert(values, 0, 0), np.insert(widths, 0, offset)
    data = compiled.pack_bits(values, widths)
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
@given(seeds, st.integers(0, 60))
def test_shuffles(seed, count):
    steps = np.random.default_rng(seed).integers(0, np.arange(count + 1, 1, -1), count)
    order = agree("shuffled", steps)
    assert order.dtype == np.int32 and (np.sort(order) == np.arange(count + 1)).all()


@pytest.mark.parametrize("steps", [[3, 0], [0, -1], [0, 2]])
def test_a_step_that_leads_outside(steps):
    with pytest.raises(ValueError, match="outside"):
        compiled.shuffled(np.array(steps))


def test_what_the_kernels_rely_on():
    """Arguments that no caller of ours passes are refused, not followed out of an array."""
    tokens, table = np.array([9], np.uint8), np.zeros((1, 0), np.uint32)
    with pytest.raises(ValueError, match="bit"):
        compiled.extra_decode(tokens, 200, np.zeros(4, np.uint8), 33)
    with pytest.raises(ValueError, match="slots"):
        compiled.rans_encode(np.array([4097]), 1)
    with pytest.raises(ValueError, match="widths"):
        compiled.pack_bits(np.array([1]), np.array([64]))
    with pytest.raises(ValueError, match="contexts"):
        compiled.encode_values(np.zeros(0, np.int64), np.zeros(0, np.int64), table, 1)

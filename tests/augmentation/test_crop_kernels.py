"""Decoding of crop boxes: compiled against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.entropy import coding
from tests.kernels import (
    LANES,
    agree,
    agree_or_fail,
    both,
    damaged,
    few,
    implementations,
    random_table,
    seeds,
)


@few
@given(seeds, st.integers(1, 9), st.sampled_from(LANES))
def test_boxes(seed, rows, lanes):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 600, (rows, 2)).astype(np.int32)
    sides = rng.integers(1, size + 1)
    places = rng.integers(0, size - sides + 1)
    height, width = random_table(rng, 1), random_table(rng, 124)
    box = np.hstack([places, sides]).astype(np.int32)
    part = agree("box_encode", box, size, height.packed, width.packed, lanes)
    rest = (lanes, size, height.lookup, width.lookup)
    data = coding.join_symbols(*part)
    found, status = agree_or_fail("box_decode", data, *rest)
    assert status == 0 and (found == box).all()
    for bad in (coding.join_symbols(*damaged(rng, *part)), data[: rng.integers(len(data))]):
        found, status = agree_or_fail("box_decode", bad, *rest)
        assert status or (found[:, :2] + found[:, 2:] <= size).all()


@pytest.mark.parametrize(
    "box",
    [
        [-1, 0, 1, 1],
        [0, 0, 0, 1],
        [0, 1, 9, 9],
        [0, 0, 10, 1],
        [2**31 - 1, 0, 9, 9],
        [0, 0, 1, 2**31 - 1],
    ],
)
def test_only_boxes_within_their_images_are_encoded(box):
    rng = np.random.default_rng(0)
    height, width = random_table(rng, 1), random_table(rng, 124)
    boxes = np.array([[0, 0, 9, 9], box], np.int32)
    for size in (9, 1 << 24, 0, -(1 << 31)):
        sizes = np.array([[9, 9], [size, size]], np.int32)
        rest = (sizes, height.packed, width.packed, 1)
        assert both("box_encode", boxes, *rest) == [None, None]


def common_pixels(fraction, size):
    """What both twins make of fractions: equal boxes, or None."""
    expected, box = both("whole_pixels", fraction, size)
    if expected is None or box is None:
        assert expected is box
        return None
    assert expected.dtype == box.dtype == np.int32 and (expected == box).all()
    return box


@few
@given(seeds, st.integers(1, 40), st.sampled_from([np.float16, np.float32]), st.booleans())
def test_pixels_of_fractions(seed, rows, dtype, changed):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 1025 if dtype == np.float16 else 4097, (rows, 2)).astype(np.int32)
    box = rng.integers(0, np.hstack([size, size]) + 1)
    fraction = (box / np.hstack([size, size])).astype(np.float32).astype(dtype)
    if changed:
        bits = fraction.reshape(-1).view(f"u{fraction.itemsize}")
        bits[rng.integers(len(bits))] ^= 1 << rng.integers(8 * fraction.itemsize)
    pixels = common_pixels(fraction, size)
    assert changed or (pixels == box).all()


@pytest.mark.parametrize("side", [1, 224, 1000, 2**31 - 1])
def test_every_half_precision_fraction(side):
    """Negative ones, those above 1, infinities and NaN have no pixels."""
    size = np.full((1, 2), side, np.int32)
    for bits in [*range(0, 1 << 16, 1 if side == 224 else 7), 0x3BFF, 0x3C00, 0x3C01]:
        fraction = np.full((1, 4), bits, np.uint16).view(np.float16)
        pixels = common_pixels(fraction, size)
        assert pixels is None or 0 <= fraction[0, 0] <= 1


@pytest.mark.parametrize("value", [-0.0, -1e-9, 1 + 2**-23, np.inf, np.nan, -np.nan, 1e-40])
def test_fractions_without_pixels(value):
    for dtype in (np.float16, np.float32):
        for column in range(4):
            fraction = np.zeros((3, 4), dtype)
            with np.errstate(over="ignore"):
                fraction[2, column] = value
            for side in (224, 2**31 - 1):
                common_pixels(fraction, np.full((3, 2), side, np.int32))
    assert common_pixels(np.zeros((3, 4), np.float32), np.zeros((3, 2), np.int32)) is None


def test_fractions_of_impossible_form():
    fraction, size = np.zeros((3, 4), np.float32), np.ones((3, 2), np.int32)
    assert common_pixels(fraction[:0], size[:0]).shape == (0, 4)
    assert common_pixels(np.asfortranarray(fraction), size).shape == (3, 4)
    for bad in (fraction[:2], fraction[:, :3], fraction.astype(np.float64), fraction.astype(">f4")):
        for twin in implementations("whole_pixels"):
            with pytest.raises(ValueError, match="fractions of impossible"):
                twin(bad, size)

"""Decoding of crop boxes: compiled against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels import LANES, agree, agree_or_fail, both, damaged, few, random_table, seeds


@few
@given(seeds, st.integers(1, 9), st.sampled_from(LANES))
def test_boxes(seed, rows, lanes):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 600, (rows, 2)).astype(np.int32)
    sides = rng.integers(1, size + 1)
    places = rng.integers(0, size - sides + 1)
    height, width = random_table(rng, 1), random_table(rng, 124)
    box = np.hstack([places, sides]).astype(np.int32)
    states, words, bits = agree("box_encode", box, size, height.packed, width.packed, lanes)
    rest = (size, height.lookup, width.lookup)
    found, status = agree_or_fail("box_decode", states, words, bits, *rest)
    assert status == 0 and (found == box).all()
    states, words, bits = damaged(rng, states, words, bits)
    found, status = agree_or_fail("box_decode", states, words, bits, *rest)
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
    for size in (9, 1 << 24):
        sizes = np.array([[9, 9], [size, size]], np.int32)
        rest = (sizes, height.packed, width.packed, 1)
        assert both("box_encode", boxes, *rest) == [None, None]

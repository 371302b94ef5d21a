"""Fractions become pixels only where the pixels give them back bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.formats.crop_fractions import find_side, to_pixels


def fractions_of(box: np.ndarray, sizes: np.ndarray, dtype: str) -> np.ndarray:
    sides = sizes[:, [0, 1, 0, 1]]
    return (box / sides).astype(np.float32).astype(dtype)


@st.composite
def boxes(draw, largest: int):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 40))
    sizes = rng.integers(1, largest + 1, (count, 2)).astype(np.int32)
    ends = np.sort(rng.integers(0, sizes[:, None, :] + 1, (count, 2, 2)), axis=1)
    return np.concatenate([ends[:, 0], ends[:, 1] - ends[:, 0]], axis=1), sizes


@settings(max_examples=60, deadline=None)
@given(boxes(4096), boxes(1024))
def test_true_sizes_give_the_true_pixels(wide, narrow):
    for (box, sizes), dtype in ((wide, "float32"), (narrow, "float16")):
        crop = to_pixels(fractions_of(box, sizes, dtype), sizes, None)
        assert (crop.box == box).all() and crop.size is sizes and crop.precision == dtype


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("side", [(224, 224), (64, 64), (375, 500), (1024, 600)])
def test_one_unknown_size_is_found(dtype, side):
    rng = np.random.default_rng(0)
    sizes = np.full((128, 2), side, np.int32)
    box = rng.integers(0, np.array([*side, *side]) + 1, (128, 4))
    fractions = fractions_of(box, sizes, dtype)
    crop = to_pixels(fractions, None, None)
    assert crop.size[0].tolist() == list(side) and (crop.box == box).all()
    assert crop.fractions().tobytes() == fractions.tobytes()


def test_hint_comes_before_the_smallest_side():
    fractions = np.array([[0.5, 0.5, 0.125, 1 / 3]], np.float32)
    assert to_pixels(fractions, None, None).size.tolist() == [[224, 6]]
    assert to_pixels(fractions, None, (336, 336)).size.tolist() == [[336, 336]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.0, -0.25, 1.25, 0.1234567, 1e-9])
def test_what_pixels_cannot_give_back_is_kept(bad):
    fractions = np.array([[0.5, 0.5, 0.25, bad], [0.25, 0.1234, 0.5, 0.7071]], np.float32)
    for sizes in (None, np.full((2, 2), 224, np.int32)):
        crop = to_pixels(fractions, sizes, None)
        assert crop.size is None and crop.fractions().tobytes() == fractions.tobytes()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["float32", "float16"]))
def test_any_fractions_survive(seed, dtype):
    fractions = np.random.default_rng(seed).random((5, 4)).astype(dtype)
    for sizes in (None, np.full((5, 2), 300, np.int32)):
        assert to_pixels(fractions, sizes, None).fractions().tobytes() == fractions.tobytes()


def test_smallest_side():
    assert find_side(np.array([0.0, 1.0, 1 / 3], np.float32)) == 3
    assert find_side(np.array([0.5, 0.25], np.float32)) == 224
    assert find_side(np.array([0.1234567], np.float32)) is None

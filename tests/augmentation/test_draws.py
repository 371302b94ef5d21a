"""What is drawn has the shape, range and distribution it should; its bits are in tests/spec."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.augmentation.crop.draw import draw_crops
from labelcodec.augmentation.cutout import draw_cutout
from labelcodec.augmentation.exact_pow import power
from labelcodec.augmentation.mix import draw_box, draw_mix, draw_ratio
from labelcodec.augmentation.philox import Purpose, Source, below
from labelcodec.augmentation.randaugment import draw_operations
from labelcodec.augmentation.shuffle import FEW, epoch_order, permutation

sources = st.builds(
    Source, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)
)
sides = st.tuples(st.integers(1, 600), st.integers(1, 600))


@given(sources, st.integers(1, 300))
def test_permutations_hold_every_number_once(source, count):
    assert sorted(permutation(source, Purpose.PARTNER, count).tolist()) == list(range(count))


def test_permutations_are_the_same_however_many_keys_are_made_at_once(monkeypatch):
    whole = permutation(Source(1, 2, 3), Purpose.ORDER, 100)
    monkeypatch.setattr("labelcodec.augmentation.shuffle.AT_ONCE", 7)
    assert np.array_equal(permutation(Source(1, 2, 3), Purpose.ORDER, 100), whole)


class Ties:
    def words(self, purpose, index):
        return np.repeat(index[:, None] % 3, 4, axis=1).astype(np.uint32)


def test_equal_keys_leave_numbers_in_order():
    expected = sorted(range(1000), key=lambda number: number % 3)
    assert permutation(Ties(), Purpose.ORDER, 1000).tolist() == expected


def test_every_place_is_as_likely():
    counts = np.zeros((5, 5))
    for epoch in range(4000):
        counts[np.arange(5), epoch_order(7, epoch, 5)] += 1
    assert abs(counts / 800 - 1).max() < 0.15  # five standard deviations
    assert len(epoch_order(7, 0, FEW + 1)) == FEW + 1


@given(st.integers(1, 2**31), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5))
def test_below_stays_below(limit, words):
    found = below(np.array(words, np.uint32), limit)
    assert ((found >= 0) & (found < limit)).all()
    assert below(np.array([2**32 - 1], np.uint32), limit) == limit - 1


@given(st.floats(1e-15, 1e15), st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_power_is_a_power(base, whole, bits):
    exact = math.exp(math.log(base) * (whole + bits / 2**32))
    assert math.isclose(power(base, whole, bits), exact, rel_tol=1e-12)


@given(
    sources,
    st.lists(sides, min_size=1, max_size=20),
    st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(sorted),
    st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)).map(sorted),
)
def test_crops_lie_inside_their_images(source, sizes, scale, ratio):
    box = draw_crops(source, np.array(sizes, np.int32), scale, ratio)
    assert (box[:, :2] >= 0).all() and (box[:, 2:] > 0).all()
    assert (box[:, :2] + box[:, 2:] <= sizes).all()


def test_crops_have_the_area_and_the_ratio_of_torchvisions():
    sizes = np.full((4000, 2), 1000, np.int32)
    box = draw_crops(Source(3, 0, 0), sizes, (0.1, 0.5), (3 / 4, 4 / 3))
    height, width = box[:, 2:].T.astype(float)
    area, logarithm = height * width / 1e6, np.log(width / height) / math.log(4 / 3)
    assert area.min() > 0.099 and area.max() < 0.501
    assert abs(area.mean() - 0.3) < 0.01 and abs(np.quantile(area, 0.1) - 0.14) < 0.01
    assert abs(logarithm).max() < 1.01 and abs(logarithm.mean()) < 0.05
    assert abs(np.quantile(logarithm, 0.9) - 0.8) < 0.05
    place = box[:, :2] / (1000 - box[:, 2:])
    assert abs(place.mean(axis=0) - 0.5).max() < 0.03


def test_images_without_a_good_crop_get_the_central_one():
    sizes = np.array([[10, 1000], [1000, 10]], np.int32)
    box = draw_crops(Source(3, 0, 0), sizes, (0.9, 1.0), (3 / 4, 4 / 3))
    assert box.tolist() == [[0, 493, 10, 13], [493, 0, 13, 10]]


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.8, 1.0, 2.0, 4.0])
def test_ratios_are_beta_distributed(alpha):
    ratio = np.array([draw_ratio(Source(5, 0, batch), alpha) for batch in range(3000)])
    assert ((ratio >= 0) & (ratio <= 1)).all()
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(ratio.mean() - 0.5) < 5 * math.sqrt(variance / 3000)
    fourth = 3 * (2 * alpha + 1) / (2 * alpha + 3)  # kurtosis
    assert abs(ratio.var() / variance - 1) < 5 * math.sqrt((fourth - 1) / 3000)
    if alpha == 1:
        assert abs(np.sort(ratio) - np.arange(3000) / 3000).max() < 0.03  # Kolmogorov-Smirnov


@given(sources, st.floats(0, 1), sides)
def test_boxes_are_clipped(source, ratio, size):
    row0, row1, column0, column1 = draw_box(source, ratio, size)
    assert 0 <= row0 <= row1 <= size[0] and 0 <= column0 <= column1 <= size[1]
    cut = [int(side * math.sqrt(1 - ratio)) // 2 * 2 for side in size]
    assert row1 - row0 <= cut[0] and column1 - column0 <= cut[1]


def test_only_cutmix_has_a_box():
    assert draw_mix(Source(1, 0, 0), "mixup", 0.5, 4, (9, 9)).box is None
    assert draw_mix(Source(1, 0, 0), "cutmix", 0.5, 4, (9, 9)).box is not None


def test_cutouts_are_whole_pixels_and_colours():
    drawn = draw_cutout(Source(1, 0, 0), 500, 0.5, (224, 64)).astype(float)
    assert set((drawn[:, 2] * 224).tolist()) == {112} and set((drawn[:, 3] * 64).tolist()) == {32}
    for column, many in ((drawn[:, 0] * 224, 224), (drawn[:, 1] * 64, 64), (drawn[:, 5], 256)):
        assert np.allclose(column, np.rint(column), atol=1e-4)
        assert column.min() >= 0 and many * 0.9 < column.max() < many


@settings(max_examples=25)
@given(sources, st.integers(1, 16), st.floats(0, 10), st.floats(0, 10))
def test_operations_lie_in_timms_ranges(source, operations, magnitude, deviation):
    drawn = draw_operations(source, 40, operations, magnitude, deviation)
    assert drawn.op.shape == drawn.magnitude.shape == (40, operations)
    applied = (drawn.decision < 0.5) & (drawn.op > 2)
    assert np.array_equal(drawn.magnitude != -99, applied)
    high = np.array([0, 0, 0, 30, 4, 256, 110, 1.9, 1.9, 1.9, 1.9, 0.3, 0.3, 0.45, 0.45])
    low = np.where(np.isin(np.arange(15), [3, 11, 12, 13, 14]), -high, 0)
    low[7:11] = 0.1
    value, op = drawn.magnitude[applied], drawn.op[applied]
    assert ((value >= low[op].astype(np.float32)) & (value <= high[op].astype(np.float32))).all()


def test_magnitudes_scatter_around_the_mean():
    drawn = draw_operations(Source(2, 0, 0), 3000, 2, 5, 1)
    rotations = np.abs(drawn.magnitude[(drawn.op == 3) & (drawn.magnitude != -99)]) / 3
    assert abs(rotations.mean() - 5) < 0.3 and abs(rotations.std() - 1) < 0.2
    assert abs((drawn.decision < 0.5).mean() - 0.5) < 0.04
    negative = drawn.magnitude[drawn.op == 13]
    assert abs((negative[negative != -99] < 0).mean() - 0.5) < 0.2

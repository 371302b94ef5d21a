"""MMD against the whole kernel matrix, and against values known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from labelcodec.errors import ConfigError, DataError
from labelcodec.pipeline.image_diversity.mmd import discrepancy, median_distance

SETS = {
    "sizes": st.tuples(st.integers(1, 12), st.integers(1, 12)),
    "dimensions": st.integers(1, 5),
    "bandwidth": st.floats(0.1, 10),
    "seed": st.integers(0, 1000),
}


def two_sets(sizes, dimensions, seed, offset=0.0) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return [
        (offset + rng.normal(i / 2, 1, (size, dimensions))).astype(np.float32)
        for i, size in enumerate(sizes)
    ]


def mean_kernel(x: NDArray[np.float32], y: NDArray[np.float32], sigma: float) -> float:
    differences = x[:, None].astype(np.float64) - y[None]
    return float(np.exp(-(differences**2).sum(axis=2) / (2 * sigma**2)).mean())


@given(block=st.integers(1, 15), offset=st.sampled_from([0.0, 1e5]), **SETS)
def test_blocks_of_any_size_give_the_whole_matrix(
    sizes, dimensions, bandwidth, seed, block, offset
) -> None:
    a, b = two_sets(sizes, dimensions, seed, offset)
    measured = discrepancy(a, b, bandwidth, block=block)
    direct = [mean_kernel(x, y, bandwidth) for x, y in ((a, a), (b, b), (a, b))]
    kernels = [measured.within_a, measured.within_b, measured.between]
    assert kernels == pytest.approx(direct, rel=1e-9, abs=1e-15)
    squared = direct[0] + direct[1] - 2 * direct[2]
    assert measured.squared == pytest.approx(squared, abs=1e-12)
    assert measured.bandwidth == bandwidth


@given(**SETS)
def test_mmd_is_symmetric_and_not_negative(sizes, dimensions, bandwidth, seed) -> None:
    a, b = two_sets(sizes, dimensions, seed)
    there, back = discrepancy(a, b, bandwidth, block=5), discrepancy(b, a, bandwidth, block=3)
    assert there.squared == pytest.approx(back.squared, abs=1e-12)
    assert there.within_a + there.within_b - 2 * there.between > -1e-12
    assert there.squared >= 0


def test_known_values() -> None:
    a, b = two_sets((40, 40), 3, 1)
    order = np.random.default_rng(2).permutation(40)
    assert discrepancy(a, a[order]).squared == pytest.approx(0, abs=1e-14)
    assert discrepancy(a, b).squared > 1e-3
    points = np.array([[0.0, 0.0]], np.float32), np.array([[3.0, 4.0]], np.float32)
    measured = discrepancy(*points, 10)
    assert measured.squared == pytest.approx(2 - 2 * math.exp(-(5**2) / (2 * 10**2)))
    assert discrepancy(*points).bandwidth == 5
    far = discrepancy(*points, 1e-38)
    assert (far.within_a, far.within_b, far.between, far.squared) == (1, 1, 0, 2)


def test_half_of_each_set_counts_itself() -> None:
    """The biased estimate: the diagonal of K_AA and K_BB belongs to the means."""
    a = np.array([[0.0], [1e6]], np.float32)
    assert discrepancy(a, a, 1).within_a == pytest.approx(0.5)


def test_median_distance() -> None:
    a, b = two_sets((9, 6), 4, 3)
    pooled = np.concatenate([a, b]).astype(np.float64)
    distances = [
        np.linalg.norm(pooled[i] - pooled[j]) for i in range(len(pooled)) for j in range(i)
    ]
    assert median_distance(a, b) == pytest.approx(np.median(distances))
    assert median_distance(b, a) == pytest.approx(median_distance(a, b))
    sampled = {median_distance(a, b, pairs=100, seed=seed) for seed in range(5)}
    assert len(sampled) > 1
    assert all(value == pytest.approx(np.median(distances), rel=0.25) for value in sampled)
    assert median_distance(a, b, pairs=100) == median_distance(a, b, pairs=100)


def test_a_sample_of_pairs_is_of_different_images() -> None:
    corners = np.eye(3, dtype=np.float32)  # all sqrt(2) apart
    for seed in range(20):
        assert median_distance(corners[:2], corners[2:], 2, seed) == pytest.approx(math.sqrt(2))


def test_images_that_are_all_alike() -> None:
    same = np.ones((4, 2), np.float32)
    with pytest.raises(DataError, match=r"median distance .* is 0.*`bandwidth`"):
        discrepancy(same, same)
    assert discrepancy(same, same, 1.0).squared == 0


@pytest.mark.parametrize("bandwidth", [0, -1, math.nan, math.inf, 1e-300])
def test_bandwidths_that_are_none(bandwidth) -> None:
    a, b = two_sets((2, 2), 2, 0)
    with pytest.raises(ConfigError, match="`bandwidth` is"):
        discrepancy(a, b, bandwidth)


def test_progress_counts_blocks() -> None:
    a, b = two_sets((5, 3), 2, 0)
    seen = []
    discrepancy(a, b, block=2, progress=lambda *step: seen.append(step))
    assert seen == [(i + 1, 15) for i in range(15)]  # 3 + 2 parts, on and above the diagonal

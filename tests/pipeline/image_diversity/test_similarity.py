"""Cosine similarity within classes against a loop over all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from labelcodec.pipeline.image_diversity.similarity import class_similarities


def pair_by_pair(features: NDArray[np.float32]) -> float:
    cosines = []
    for i, left in enumerate(features.astype(np.float64)):
        for j, right in enumerate(features.astype(np.float64)):
            if i != j:
                cosines.append(left @ right / np.sqrt((left @ left) * (right @ right)))
    return float(np.mean(cosines)) if cosines else np.nan


@given(
    class_index=st.lists(st.integers(0, 4), min_size=1, max_size=25),
    dimensions=st.integers(1, 6),
    scale=st.sampled_from([1e-30, 1.0, 1e30]),
    seed=st.integers(0, 1000),
)
def test_similarities_are_those_of_all_pairs(class_index, dimensions, scale, seed) -> None:
    index = np.array(class_index)
    drawn = np.random.default_rng(seed).normal(size=(len(index), dimensions))
    features = (scale * drawn).astype(np.float32)
    measured = class_similarities(features, index, 5)
    direct = [pair_by_pair(features[index == number]) for number in range(5)]
    np.testing.assert_allclose(measured, direct, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("rows", "similarity"),
    [
        ([[1, 2], [2, 4], [3, 6]], 1),
        ([[1, 0, 0], [0, 5, 0], [0, 0, 2]], 0),
        ([[1, 1], [-3, -3]], -1),
        ([[1, 0], [1, 1]], np.sqrt(0.5)),
    ],
)
def test_known_similarities(rows, similarity) -> None:
    features = np.array(rows, np.float32)
    measured = class_similarities(features, np.zeros(len(rows), np.int64), 1)
    assert measured == pytest.approx(similarity, abs=1e-12)

"""Sums over all labels: compiled against the NumPy reference, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.codecs.transform import compiled
from tests.kernels import agree, few, seeds


@few
@given(seeds, st.integers(1, 40), st.integers(1, 9), st.integers(1, 12))
def test_mixtures(seed, labels, images, width):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, images, (labels, 2))
    weight = rng.random((labels, 2), np.float32)
    predicted = agree("mix_rows", image, weight, rng.random((images, width), np.float32))
    assert predicted.shape == (labels, width) and predicted.dtype == np.float32
    sums = agree("sum_rows", image, weight, predicted, images)
    assert sums.shape == (images, width) and sums.dtype == np.float32


@pytest.mark.parametrize("image", [-1, 3])
def test_an_image_that_is_none(image):
    weight, means = np.ones((1, 2), np.float32), np.ones((3, 2), np.float32)
    with pytest.raises(ValueError, match="image"):
        compiled.mix_rows(np.array([[0, image]]), weight, means)
    with pytest.raises(ValueError, match="image"):
        compiled.sum_rows(np.array([[0, image]]), weight, means[:1], 3)


@few
@given(seeds, st.integers(1, 9), st.integers(1, 60))
def test_masses(seed, labels, classes):
    rng = np.random.default_rng(seed)
    units = rng.integers(-(1 << 20), 1 << 20, (labels, classes)).astype(np.int32)
    counts = rng.integers(0, classes + 1, labels)
    peaks = np.concatenate([rng.permutation(classes)[:count] for count in counts])
    p, q = rng.random((2, labels, classes), np.float32)
    weight = rng.random((labels, 1), np.float32)
    masses = agree("distance_masses", units, counts, peaks, p, q, weight, 14, 48)
    rest = np.ones((labels, classes), bool)
    rest[np.repeat(np.arange(labels), counts), peaks] = False
    np.testing.assert_allclose(masses[0].sum(), (p * weight)[rest].sum(), rtol=1e-5, atol=1e-6)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.label_space import looks_like_probabilities


def softmax(logits):
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)


def bfloat16(values):
    return (values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


@given(
    st.integers(0, 99),
    st.integers(1, 9),
    st.sampled_from([2, 3, 10, 1000, 4000]),
    st.sampled_from([0.01, 1.0, 20.0]),
)
def test_a_softmax_is_recognised_and_its_logits_are_not(seed, rows, classes, scale):
    logits = np.random.default_rng(seed).normal(size=(rows, classes)) * scale
    for dtype in (np.float16, np.float32, np.float64):
        assert looks_like_probabilities(softmax(logits).astype(dtype))
        assert not looks_like_probabilities((logits - 1).astype(dtype))
    assert looks_like_probabilities(bfloat16(softmax(logits)))


def test_hard_labels_are_probabilities():
    assert looks_like_probabilities(np.eye(5, dtype=np.float16))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_negative_zeros_are_zeros(dtype):
    values = np.eye(5, dtype=dtype)
    values[values == 0] = -0.0
    assert looks_like_probabilities(values)
    values[3, 3:] = (1.0625, -0.0625)  # of the right sum
    assert not looks_like_probabilities(values)


def test_a_sum_beyond_the_largest_number_is_not_one():
    values = np.full((4, 5), 0.2)
    values[3] = (1e308, 1e308, 1e308, 0, -1e308)
    assert not looks_like_probabilities(values)
    values[3, 4] = -np.inf  # no number: the row does not count
    assert looks_like_probabilities(values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_do_not_count(bad):
    values = np.full((4, 5), 0.2)
    values[1, 2] = bad
    assert looks_like_probabilities(values)
    values[2, 2] = 0.9
    assert not looks_like_probabilities(values)


@pytest.mark.parametrize(
    "values",
    [
        np.full((4, 5), 0.3),  # within 0..1, of another sum
        np.array([[1.5, -0.5]]),  # the sum is right, the range is not
        np.array([[0.5, 0.5], [0.5, 0.6]]),
        np.array([[np.nan, 1.0]]),
        np.ones((3, 1)),  # one class: nothing to tell
        np.zeros((0, 5)),
        np.ones(5) / 5,
    ],
    ids=lambda values: str(values.shape),
)
def test_what_is_not(values):
    assert not looks_like_probabilities(values)

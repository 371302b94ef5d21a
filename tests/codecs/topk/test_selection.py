"""Selection of the k largest values of each label."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.codecs.float_bits import LAYOUTS
from labelcodec.codecs.topk.selection import largest

numbers = st.lists(st.sampled_from([-2.0, -0.0, 0.0, 1.0, 1.5, 57344.0]), min_size=1, max_size=9)


@pytest.mark.parametrize("precision", LAYOUTS)
@pytest.mark.parametrize("classes", [9, (1 << 16) + 9])
@given(row=numbers)
def test_largest(precision, classes, row):
    """Equal values, the two zeros among them, are selected by class; then +0 ranks before -0."""
    value = np.full((1, classes), -7, "float16" if precision == "float16" else "float32")
    value[0, -len(row) :] = row
    ranked = sorted(range(classes - len(row), classes), key=lambda c: (-value[0, c], c))
    for k in {1, len(row)}:
        expected = sorted(ranked[:k], key=lambda c: (-value[0, c], np.signbit(value[0, c]), c))
        selected = largest(value, precision, k)
        assert selected.index[0].tolist() == expected
        assert selected.finite and selected.value.tobytes() == value[0, expected].tobytes()


@given(seed=st.integers(0, 1 << 32), k=st.integers(1, 300))
def test_labels_that_have_little_in_common(seed, k):
    """What a label leaves for the next, a bound to be tried first, does not change the choice."""
    rng = np.random.default_rng(seed)
    spread = 10.0 ** rng.integers(-3, 4, (20, 1))
    value = (rng.normal(0, spread, (20, 300)) + spread * rng.integers(-9, 9)).astype(np.float32)
    value[rng.integers(20)] = 1.5
    expected = np.argsort(-value, axis=1, kind="stable")[:, :k]
    assert (largest(value, "float32", k).index == expected).all()


@pytest.mark.parametrize("precision", LAYOUTS)
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_finite(precision, bad):
    value = np.array(
        [[0, 3e4, -3e4], [1, 2, 3]], "float16" if precision == "float16" else "float32"
    )
    assert largest(value, precision, 1).finite
    value[1, 0] = bad
    assert not largest(value, precision, 1).finite

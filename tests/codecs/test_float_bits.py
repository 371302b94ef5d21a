from __future__ import annotations

import numpy as np
import pytest

from labelcodec.batch import Labels
from labelcodec.codecs import float_bits
from labelcodec.errors import DataError

PRECISIONS = ("float16", "bfloat16", "float32")


def every_pattern(precision: str) -> np.ndarray:
    """All bit patterns of 16 bits, or 2^16 of 32 with all signs and exponents."""
    patterns = np.arange(1 << 16, dtype=np.uint32)
    if precision == "float32":
        return patterns << 16 | patterns * 40503 & 0xFFFF
    return patterns.astype(np.uint16)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_bits(precision):
    """Signalling NaNs keep their bits too."""
    bits = every_pattern(precision)
    value = float_bits.from_bits(bits, precision)
    assert value.dtype == ("float16" if precision == "float16" else "float32")
    assert (float_bits.to_bits(value, precision) == bits).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_levels_are_in_the_order_of_values(precision):
    bits, width = every_pattern(precision), float_bits.LAYOUTS[precision].width
    levels = float_bits.to_levels(bits, width)
    assert (levels >= 0).all() and (levels < 1 << width).all()
    assert (float_bits.from_levels(levels, width) == bits).all()
    value = float_bits.from_bits(bits, precision)
    finite = np.isfinite(value)
    ranked = value[finite][np.argsort(levels[finite])]
    assert (ranked[1:] >= ranked[:-1]).all()


@pytest.mark.parametrize(
    ("bits", "zeros"), [([], 0), ([0, 0], 0), ([8], 3), ([8, 12], 2), ([1, 1 << 31], 0)]
)
def test_trailing_zeros(bits, zeros):
    assert float_bits.trailing_zeros(np.array(bits, np.uint32)) == zeros


@pytest.mark.parametrize("name", ["float16", "float32"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_finite(name, bad):
    value = np.array([[0, 6e4, -6e4]], name)
    assert float_bits.all_finite(value)
    value[0, 1] = bad
    assert not float_bits.all_finite(value)


def labels(value, precision):
    return Labels(2, np.array([value]), precision=precision)


@pytest.mark.parametrize(
    ("value", "precision"),
    [
        (np.float16([1, 2]), "float16"),
        (np.float32([1, 2.5]), "bfloat16"),
        (np.float32([1, 0.1]), "float32"),
    ],
)
def test_types(value, precision):
    float_bits.check_type(labels(value, precision))


@pytest.mark.parametrize(
    ("value", "precision", "message"),
    [
        (np.float32([1, 2]), "float16", "are float32, float16 labels need float16"),
        (np.float16([1, 2]), "float32", "are float16, float32 labels need float32"),
        (np.float16([1, 2]), "bfloat16", "need float32"),
        (np.float32([1, 0.1]), "bfloat16", "more bits than bfloat16"),
    ],
)
def test_types_that_would_lose_bits(value, precision, message):
    with pytest.raises(DataError, match=message):
        float_bits.check_type(labels(value, precision))

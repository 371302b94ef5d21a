from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.entropy import tokens
from labelcodec.entropy.format import ALPHABET, MAX_INTEGER


@given(st.lists(st.integers(0, MAX_INTEGER - 1) | st.integers(0, 40), max_size=30))
def test_token_and_extra_bits_name_the_value(values):
    token, width, extra = tokens.split(np.array(values, np.int64))
    rows = zip(values, token.tolist(), width.tolist(), extra.tolist(), strict=True)
    for value, t, bits, low in rows:
        assert 0 <= low < 1 << bits
        assert value == (t if t < 8 else ((4 + (t - 8) % 4) << bits) + low)
        assert bits == (0 if t < 8 else (t - 8) // 4 + 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, (0, 0, 0)),
        (7, (7, 0, 0)),
        (8, (8, 1, 0)),
        (9, (8, 1, 1)),
        (15, (11, 1, 1)),
        (16, (12, 2, 0)),
        (MAX_INTEGER - 1, (ALPHABET - 1, 29, (1 << 29) - 1)),
    ],
)
def test_boundaries(value, expected):
    assert tuple(int(part[0]) for part in tokens.split(np.array([value]))) == expected


@pytest.mark.parametrize("value", [-1, MAX_INTEGER])
def test_out_of_range(value):
    with pytest.raises(ValueError, match="tokens are for"):
        tokens.split(np.array([0, value]))


def test_buckets_are_half_octaves():
    found = tokens.bucket(np.arange(1, 13)).tolist()
    assert found == [0, 2, 3, 4, 4, 5, 5, 6, 6, 6, 6, 7]

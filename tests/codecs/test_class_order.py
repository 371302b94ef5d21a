from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.codecs import class_order
from labelcodec.entropy import packing
from labelcodec.errors import CorruptError


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(0, 20), st.integers(0, 9), st.integers(0, 99))
def test_always_a_permutation(classes, rows, levels, seed):
    rng = np.random.default_rng(seed)
    features = rng.integers(-levels, levels + 1, (rows, classes)).astype(np.float32)
    order = class_order.fit([features], classes)
    assert np.array_equal(np.sort(order), np.arange(classes))
    data = class_order.to_bytes(order)
    assert np.array_equal(class_order.from_bytes(data, classes), order)
    assert np.array_equal(order[class_order.inverse(order)], np.arange(classes))


def test_like_classes_stand_together():
    """Four groups of five classes that are high together, their numbers shuffled."""
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(4), 5))
    features = rng.normal(size=(600, 4)).astype(np.float32)[:, group]
    features += rng.normal(0, 0.3, features.shape).astype(np.float32)
    order = class_order.fit([features[:300], features[300:]], 20)
    assert (group[order][1:] != group[order][:-1]).sum() == 3


def test_the_same_every_time():
    features = np.random.default_rng(0).normal(size=(50, 30)).astype(np.float32)
    first, second = (class_order.fit(iter([features]), 30) for _ in range(2))
    assert np.array_equal(first, second)


def test_identity_takes_no_bytes():
    assert class_order.to_bytes(np.arange(9)) == b""
    assert np.array_equal(class_order.from_bytes(b"", 9), np.arange(9))


@pytest.mark.parametrize("order", [[0, 1, 1], [1, 2, 3], [0, 1], [0, 1 << 40, 1], [-1, 0, 1]])
def test_not_a_permutation(order):
    with pytest.raises(CorruptError, match=r"permutation|too short"):
        class_order.from_bytes(packing.pack_ints(np.array(order)), 3)


def test_bytes_left_over():
    with pytest.raises(CorruptError, match="permutation"):
        class_order.from_bytes(packing.pack_ints(np.array([2, 1, 0])) + b"\0", 3)

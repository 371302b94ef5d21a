from __future__ import annotations

from unittest import mock

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
    with pytest.raises(CorruptError, match=r"permutation|too short|width"):
        class_order.from_bytes(packing.pack_ints(np.array(order)), 3)


def test_bytes_left_over():
    with pytest.raises(CorruptError, match="permutation"):
        class_order.from_bytes(packing.pack_ints(np.array([2, 1, 0])) + b"\0", 3)


@given(st.integers(2, 60), st.integers(0, 60), st.integers(0, 99))
def test_what_rises_at_the_end_is_not_listed(classes, listed, seed):
    rng = np.random.default_rng(seed)
    first = rng.permutation(classes)[:listed]
    order = np.concatenate([first, np.setdiff1d(np.arange(classes), first)])
    with mock.patch.object(class_order, "LARGE", 1):
        data = class_order.to_bytes(order)
    assert np.array_equal(class_order.from_bytes(data, classes), order)
    if 0 < listed <= classes // 2 and not np.array_equal(order, np.arange(classes)):
        assert data[0] == class_order.SHORT
        assert len(data) <= 4 + (listed * 6 + 7) // 8
    assert class_order.to_bytes(order)[:1] in (b"", b"\0")  # few classes are all listed


@pytest.mark.parametrize(
    ("count", "listed"),
    [(0, [1]), (4, [1, 2, 0, 2]), (2, [1, 1]), (2, [1, 3]), (2, [-1, 1]), (2, [1])],
)
def test_lists_that_are_no_beginning_of_an_order(count, listed):
    data = bytes([class_order.SHORT, count]) + packing.pack_ints(np.array(listed))
    with pytest.raises(CorruptError, match=r"permutation|too short|lists"):
        class_order.from_bytes(data, 3)


def sets_of(rng: np.random.Generator, rows: int, classes: int, k: int) -> np.ndarray:
    return np.argsort(rng.random((rows, classes)), axis=1)[:, :k]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(0, 20), st.integers(0, 5), st.integers(0, 99))
def test_orders_of_many_classes_are_permutations(classes, rows, k, seed):
    """Also where most classes are kept by no label."""
    rng = np.random.default_rng(seed)
    sets = sets_of(rng, rows, classes, min(k, classes))
    with mock.patch.multiple(class_order, LARGE=8, PART=3):
        order = class_order.fit_sets([sets[: rows // 2], sets[rows // 2 :]], classes)
    assert np.array_equal(np.sort(order), np.arange(classes))


def test_few_classes_are_ordered_by_their_membership():
    sets = sets_of(np.random.default_rng(1), 40, 30, 6)
    member = np.zeros((40, 30), np.float32)
    np.put_along_axis(member, sets, np.float32(1), axis=1)
    expected = class_order.fit([member[:15], member[15:]], 30)
    assert np.array_equal(class_order.fit_sets([sets[:15], sets[15:]], 30), expected)


@pytest.mark.parametrize("by_sets", [True, False])
def test_like_ones_of_many_classes_stand_together(by_sets):
    """Groups of 40 classes of which a label keeps one group's; the last classes are in none."""
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(20), 40))
    rows = rng.integers(0, 20, 3000)
    members = [np.flatnonzero(group == number) for number in range(20)]
    sets = np.array([rng.permutation(members[row])[:12] for row in rows])
    with mock.patch.multiple(class_order, LARGE=100, PART=64):
        if by_sets:
            order = class_order.fit_sets([sets[:1000], sets[1000:]], 1000)
            assert np.array_equal(order[800:], np.arange(800, 1000))
        else:
            member = np.zeros((3000, 800), np.float32)
            np.put_along_axis(member, sets, np.float32(1), axis=1)
            order = class_order.fit([member], 800)
    changes = (group[order[:800]][1:] != group[order[:800]][:-1]).sum()
    assert changes < 250  # of 799; 19 at best, 760 by chance

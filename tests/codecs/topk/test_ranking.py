from __future__ import annotations

import numpy as np
import pytest

from labelcodec.codecs.topk import ranking
from labelcodec.codecs.topk.format import MAX_K
from labelcodec.entropy.format import MAX_INTEGER

SAME = np.arange(20)


def rank(index, levels, signed=False, position=SAME):
    return ranking.rank(position, np.array(index), np.array(levels), signed)


def test_set_order_and_falls():
    ranked = rank([[7, 2, 5]], [[90, 70, 70]])
    assert ranked.gaps.ravel().tolist() == [2, 2, 1]  # positions 2, 5, 7
    assert ranked.ranks.tolist() == [[1, 2, 0]]
    assert ranked.values.ravel().tolist() == [90, 20, 0]


def test_positions_follow_the_class_order():
    position = SAME[::-1].copy()
    ranked = rank([[19, 18]], [[2, 1]], position=position)
    assert ranked.gaps.ravel().tolist() == [0, 0]


@pytest.mark.parametrize(
    ("index", "levels"),
    [
        ([[3, 3, 5]], [[3, 2, 1]]),  # a class twice
        ([[3, 4, 5]], [[3, 1, 2]]),  # rising
        ([[3, 4, 5]], [[MAX_INTEGER, 1, 0]]),
    ],
)
def test_what_only_the_plain_form_holds(index, levels):
    assert rank(index, levels) is None


def test_signed_levels():
    half = MAX_INTEGER // 2
    assert rank([[1, 2]], [[half - 1, 1 - half]], signed=True) is not None
    assert rank([[1, 2]], [[half, 0]], signed=True) is None
    assert rank([[1, 2]], [[0, -half]], signed=True) is None


def test_too_many_kept():
    k = MAX_K + 1
    assert rank([range(k)], [range(k, 0, -1)], position=np.arange(k)) is None
    assert rank([range(k - 1)], [range(k, 1, -1)], position=np.arange(k)) is not None


def test_ties_by_class():
    by_class = rank([[1, 2, 3]], [[5, 5, 5]], signed=True)
    assert by_class.ties_by_class and by_class.coded_levels is by_class.levels
    other = rank([[2, 1, 3]], [[5, 5, 5]], signed=True)
    assert not other.ties_by_class
    assert (np.diff(other.coded_levels) < 0).all()


def test_constant():
    assert rank([[1, 2], [3, 4]], [[5, 5], [5, 5]]).values is None
    assert rank([[1, 2], [3, 4]], [[5, 5], [4, 4]]).values is not None


@pytest.mark.parametrize("signed", [False, True])
def test_first_levels_and_falls(signed):
    levels = np.array([[9, 9, 2], [-4, -5, -900]]) + (0 if signed else 1000)
    ranked = rank([[1, 2, 3], [4, 5, 6]], levels, signed)
    first = levels[:, 0]
    if signed:
        first = np.where(first < 0, -2 * first - 1, 2 * first)
    assert (ranked.values == np.concatenate([[first], -np.diff(levels, axis=1).T])).all()

"""Searches along a line."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from labelcodec.codecs.transform.fit.line_search import TOLERANCE, crossing, minimum

points = st.floats(-17, -2)


def counted(function):
    calls = []

    def call(x: float) -> float:
        calls.append(x)
        return function(x)

    return call, calls


@given(root=points, near=points, rising=st.booleans())
def test_a_crossing_is_found_from_anywhere(root, near, rising):
    good, bad = (-17.0, -2.0) if rising else (-2.0, -17.0)
    sign = 1 if rising else -1
    excess, calls = counted(lambda x: math.expm1(sign * (x - root)))
    found = crossing(excess, good, bad, near)
    assert found is not None and found in calls
    assert -0.1 < math.expm1(sign * (found - root)) <= 0
    assert len(calls) <= 16


@given(near=points)
def test_where_there_is_no_crossing_an_end_or_nothing_is_found(near):
    assert crossing(lambda x: 1.0, -17, -2, near) is None
    assert crossing(lambda x: -1.0, -17, -2, near) == -2


def test_a_guess_that_is_right_costs_little():
    excess, calls = counted(lambda x: x + 9 - TOLERANCE / 2)
    assert crossing(excess, -17, -2, -9) is not None
    assert calls == [-9]


@given(root=st.floats(-12, -7), off=st.floats(-0.2, 0.2), slope=st.floats(0.2, 0.5))
def test_a_guess_that_is_nearly_right_costs_little(root, off, slope):
    excess, calls = counted(lambda x: math.expm1(slope * (root - x)))
    point = crossing(excess, -2, -17, root + off)
    assert point is not None and -2 * TOLERANCE <= math.expm1(slope * (root - point)) <= 0
    assert len(calls) <= 5


@given(best=st.floats(-3, 4))
def test_a_minimum_is_found_anywhere(best):
    cost, calls = counted(lambda x: (x - best) ** 2 + 1)
    found = minimum(cost, 1.75, 0.6, (-3, 4), 3)
    assert found in calls and abs(found - best) < 0.2
    assert len(calls) == len(set(calls)) <= 10


@given(best=st.floats(-2, 1.5))
def test_a_minimum_beside_a_cliff_is_found(best):
    def cost(x):
        return 1e9 + x if x > best + 0.3 else (x - best) ** 2 + 1

    found = minimum(cost, 1.75, 0.6, (-3, 4), 3)
    assert found <= best + 0.3 and cost(found) < 3


@given(edge=st.floats(-4, 3))
def test_the_edge_of_what_is_possible_is_found(edge):
    def cost(x):
        return 1e9 + x if x > edge else 100 * 2.0**-x

    found = minimum(cost, 1.2, 0.6, (-6, 4), 5)
    assert edge - 0.5 < found <= edge


def test_level_costs_end():
    assert minimum(lambda x: 1.0, 1.75, 0.6, (-3, 4), 3) <= 4

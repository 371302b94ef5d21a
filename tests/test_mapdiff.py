from __future__ import annotations

import pytest

from labelcodec.mapdiff import difference, differing


@pytest.mark.parametrize(
    ("there", "here", "what"),
    [
        ({}, {}, None),
        ({"a": [1, 2]}, {"a": (1, 2)}, None),
        ({"a": float("nan")}, {"a": float("nan")}, None),
        ({"a": 1}, {"a": 1.0}, "'a' is 1 there and 1.0 now"),
        ({"a": 1}, {}, "'a' is 1 there and none now"),
        ({}, {"a": "x"}, "'a' is none there and 'x' now"),
        ({"a": {"b": {"c": 1}, "d": 2}}, {"a": {"b": {"c": 3}, "d": 2}},
         "'a.b.c' is 1 there and 3 now"),
        ({"a": {}}, {"a": {"b": 1}}, "'a' is {} there and none now, and 'a.b' differs"),
        ({"c": 1, "b": 2, "a": 3}, {"c": 0, "b": 0, "a": 0},
         "'a' is 3 there and 0 now, and 'b', 'c' differ"),
        ({"a": 2**70}, {"a": 2**70}, None),
    ],
)  # fmt: skip
def test_difference(there, here, what) -> None:
    assert difference(there, here) == what


def test_values_of_any_length_and_kind_are_told_in_a_line() -> None:
    found = difference({"a": b"x" * 999}, {"a": object()})
    assert found is not None
    assert len(found) < 150


def test_keys_may_be_left_out() -> None:
    assert differing({"a": 1, "b": 2}, {"a": 2, "b": 3}, {"b"}) == ["a"]

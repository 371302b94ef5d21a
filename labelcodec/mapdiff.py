"""Differences between two maps of JSON-like values, and their description in a message."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Set
from typing import Any

import msgpack


def differing(left: Mapping[str, Any], right: Mapping[str, Any], ignore: Set[str]) -> list[str]:
    """Sorted keys in which two maps differ, compared by their msgpack bytes.

    Args:
        left: the first map.
        right: the second map.
        ignore: keys that may differ.
    """
    keys = (left.keys() | right.keys()) - ignore
    return sorted(
        key
        for key in keys
        if key not in left or key not in right or _bytes(left[key]) != _bytes(right[key])
    )


def difference(
    stored: Mapping[str, Any], current: Mapping[str, Any], ignore: Set[str] = frozenset()
) -> str | None:
    """Describe how two maps differ; None if they do not.

    The description has both values of the first differing key, and the names of all others. Keys of
    nested maps are written as 'outer.inner'.

    Args:
        stored: the map stored earlier.
        current: the map to compare it with.
        ignore: keys that may differ; 'outer' also stands for all keys of that map.
    """
    started, now = _flat(stored), _flat(current)
    keys = [key for key in differing(started, now, ignore) if key.partition(".")[0] not in ignore]
    if not keys:
        return None
    first, last = (
        reprlib.repr(flat[keys[0]]) if keys[0] in flat else "none" for flat in (started, now)
    )
    also = (
        f", and {', '.join(map(repr, keys[1:]))} {'differs' if len(keys) == 2 else 'differ'}"
        if keys[1:]
        else ""
    )
    return f"{keys[0]!r} is {first} there and {last} now{also}"


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The map with keys of nested maps written as 'outer.inner'; empty maps are kept."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{above}{key}.")
        else:
            flat[f"{above}{key}"] = value
    return flat


def _bytes(value: object) -> bytes:
    """A value as bytes, for comparison; values that msgpack cannot hold are compared by repr.

    Unlike ==, this distinguishes 1, 1.0 and True, and finds NaN equal to NaN.
    """
    return bytes(msgpack.packb(value, default=repr))

"""What two maps of plain values differ in, and how to say so."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Set
from typing import Any

import msgpack


def differing(one: Mapping[str, Any], other: Mapping[str, Any], ignore: Set[str]) -> list[str]:
    """Sorted keys, without those in `ignore`, that two maps do not share byte for byte."""
    keys = (one.keys() | other.keys()) - ignore
    return sorted(
        key
        for key in keys
        if key not in one or key not in other or _bytes(one[key]) != _bytes(other[key])
    )


def difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """The first key that differs with both values, and the names of the others; None if none.

    Args:
        there: what was written down before; keys of maps in it are told as 'outer.inner'.
        here: what is now.
    """
    started, now = _flat(there), _flat(here)
    keys = differing(started, now, frozenset())
    if not keys:
        return None
    first, last = (
        reprlib.repr(side[keys[0]]) if keys[0] in side else "none" for side in (started, now)
    )
    also = f", and {', '.join(map(repr, keys[1:]))} differ" if keys[1:] else ""
    return f"{keys[0]!r} is {first} there and {last} now{also}"


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The map with the keys of maps in it as 'outer.inner'; empty maps stay."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{above}{key}.")
        else:
            flat[f"{above}{key}"] = value
    return flat


def _bytes(value: object) -> bytes:
    """1, 1.0 and True are equal in Python, and NaN is not; what msgpack lacks is told by repr."""
    return bytes(msgpack.packb(value, default=repr))

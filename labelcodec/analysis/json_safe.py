"""Conversion of values to types that strict JSON can represent."""

from __future__ import annotations

import math
from typing import Any


def json_safe(value: Any) -> Any:
    """Convert a value recursively to types that strict JSON can represent.

    NaN and infinite floats become None, so that a key has values of one type; bytes become hex
    digits, tuples lists.
    """
    if isinstance(value, dict):
        return dict(zip(value, map(json_safe, value.values()), strict=True))
    if isinstance(value, (list, tuple)):
        return list(map(json_safe, value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

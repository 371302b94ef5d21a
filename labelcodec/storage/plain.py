"""Values as strict JSON can hold them."""

from __future__ import annotations

import math
from typing import Any


def plain(value: Any) -> Any:
    """The same value, all the way down, without what JSON lacks.

    A float that is not finite becomes 'nan', 'inf' or '-inf', bytes become their hex digits.
    """
    if isinstance(value, dict):
        return dict(zip(value, map(plain, value.values()), strict=True))
    if isinstance(value, (list, tuple)):
        return list(map(plain, value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value

"""Recorded augmentation as named facts, and bitwise equality of two facts."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelcodec.augmentation.parts import PARTS, Augmentation


def augmentation_facts(augmentation: Augmentation) -> dict[str, Any]:
    """Everything recorded: name -> array or scalar. Crops are fractions of the image sides."""
    facts: dict[str, Any] = {}
    for part in PARTS:
        value = getattr(augmentation, part.name)
        if value is not None:
            facts |= part.facts(value)
    return facts


def same_bits(a: Any, b: Any) -> bool:
    """Whether two facts are equal.

    Arrays must agree in dtype, shape and bits, so that NaN equals the same NaN. Other values are
    compared with ==.
    """
    if not isinstance(a, (np.ndarray, np.generic)) or not isinstance(b, (np.ndarray, np.generic)):
        return bool(a == b) if type(a) is type(b) else False
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()

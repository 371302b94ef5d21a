"""Logits or probabilities? A check of label values that somebody else has named."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW = 2  # rows that are looked at first
TOLERANCE = 2.0**-7  # of a row's sum: probabilities are often rounded to 16 bits, bfloat16 included
_ABOVE_ONE = np.array(1 + TOLERANCE, np.float16).view(np.uint16)


def looks_like_probabilities(values: NDArray[Any]) -> bool:
    """Whether label values are probabilities of a softmax rather than logits.

    They are if all lie in 0..1 and every row sums to 1, as far as 16-bit rounding allows. Rows of
    top-k labels do so if the softmax was taken over the kept classes. Logits do so only by a rare
    chance, and one row is as good as none: pass a batch. Rows with NaN or infinities do not count.

    Args:
        values: (B, C) or (B, k) floating-point values, of at least 2 columns.
    """
    if values.ndim != 2 or values.shape[1] < 2:
        return False
    for total in _sums(values[:FEW]).tolist():  # tells logits, at a small cost per batch
        if TOLERANCE < abs(total - 1) < math.inf:
            return False
    sums = _sums(values)
    if not np.isfinite(sums).all():
        values = finite_rows(values)
        sums = _sums(values)
    if not len(values) or (np.abs(sums - 1) > TOLERANCE).any():
        return False
    return _within_unit(values)


def _sums(values: NDArray[Any]) -> NDArray[np.float64]:
    """(B,) sum of each row; finite only where the row is."""
    with np.errstate(all="ignore"):
        sums: NDArray[np.float64] = np.add.reduce(values, axis=1, dtype=np.float64)
    return sums


def _within_unit(values: NDArray[Any]) -> bool:
    """Whether all values lie in 0..1, as far as rounding allows."""
    if values.dtype == np.float16 and values.view(np.uint16).max() <= _ABOVE_ONE:
        return True  # their bits as integers are in the order of their values
    return bool(values.min() >= 0 and values.max() <= 1 + TOLERANCE)


def finite_rows(values: NDArray[Any]) -> NDArray[Any]:
    """The rows of (B, C) values that hold neither NaN nor infinities."""
    finite = np.isfinite(values).all(axis=1)
    return values if finite.all() else values[finite]

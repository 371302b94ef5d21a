"""Logits or probabilities? A check of label values that somebody else has named."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW = 2  # rows that are looked at first
TOLERANCE = 2.0**-7  # of a row's sum: probabilities are often rounded to 16 bits, bfloat16 included


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
    few = finite_rows(values[:FEW])  # enough to tell logits, at a small cost per batch
    if len(few) and not _sum_to_one(few):
        return False
    values = finite_rows(values)
    return len(values) > 0 and _sum_to_one(values)


def _sum_to_one(values: NDArray[Any]) -> bool:
    if values.min() < 0 or values.max() > 1 + TOLERANCE:
        return False
    sums = values.sum(axis=1, dtype=np.float64)
    return bool((np.abs(sums - 1) <= TOLERANCE).all())


def finite_rows(values: NDArray[Any]) -> NDArray[Any]:
    """The rows of (B, C) values that hold neither NaN nor infinities."""
    finite = np.isfinite(values).all(axis=1)
    return values if finite.all() else values[finite]

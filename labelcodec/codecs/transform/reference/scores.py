"""Reference kernels: scores, exact sums of products (SPEC, section 9.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.format import MAX_ENTRY, MAX_SCORE, MAX_SUM

Array = NDArray[Any]


def scored(coefficients: Array, pairs: Array, reach: Array, mean: Array) -> tuple[Array, int]:
    """Scores: sums of products of coefficients and vectors of 16 bits, plus the means, clipped.

    Args:
        coefficients: (B, r) int32 coefficients.
        pairs: (ceil(r / 2), D, 2) int16 vectors in units per coefficient, by pairs; D is C rounded
            up to a multiple of 16, what is beyond r and C is 0.
        reach: (r,) int32 largest magnitude in each vector.
        mean: (C,) int32 means in units, within ±2^29.

    Returns:
        (B, C) int32 scores within ±2^29, and a status: 1 if the largest coefficients of the columns
        are too large for such arithmetic, and the scores are not to be used.
    """
    size = np.abs(coefficients.astype(np.int64)).max(axis=0, initial=0)
    if size.max(initial=0) > MAX_ENTRY or size @ reach.astype(float) >= MAX_SUM:
        return np.zeros((len(coefficients), len(mean)), np.int32), 1
    vectors = pairs.transpose(0, 2, 1).reshape(-1, pairs.shape[1])[: len(reach), : len(mean)]
    return clipped(coefficients.astype(np.float64) @ vectors.astype(np.float64), mean), 0


def clipped(sums: Array, mean: Array) -> Array:
    """Scores: sums of products plus the means, clipped to the range of scores.

    Args:
        sums: (B, C) float64 whole numbers, below 2^53 in magnitude.
        mean: (C,) int32 means in units.

    Returns:
        (B, C) int32 scores within ±2^29.
    """
    whole = sums.astype(np.int64) + mean
    return np.asarray(np.clip(whole, -MAX_SCORE, MAX_SCORE), np.int32)

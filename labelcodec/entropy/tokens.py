"""Tokens: integers split into an entropy-coded token and raw extra bits (SPEC, section 6.1).

Values below 8 are their own token. Larger ones are named by their highest set bit and the two
bits below it; the remaining bits are the extra bits. The alphabet therefore stays small
whatever the range of the values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy.format import DIRECT, MAX_INTEGER


def split(
    values: NDArray[np.int64],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint64]]:
    """Token, number of extra bits and extra bits of each value.

    Args:
        values: integers in 0..2^32 - 1, any shape.

    Raises:
        ValueError: a value is out of range.
    """
    if values.size and (values.min() < 0 or values.max() >= MAX_INTEGER):
        raise ValueError("tokens are for integers in 0..2^32-1")
    high = np.frexp(np.maximum(values, 1))[1].astype(np.int64) - 1
    big = values >= DIRECT
    width = np.where(big, high - 2, 0)
    top = DIRECT + (high - 3) * 4 + ((values >> width) & 3)
    token = np.where(big, top, values)
    extra = np.where(big, values & ((1 << width) - 1), 0)
    return token.astype(np.uint8), width.astype(np.uint8), extra.astype(np.uint64)


def bucket(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Half-octave of a positive integer: 1 → 0, 2 → 2, 3 → 3, 4 and 5 → 4, 6 and 7 → 5, …."""
    high = np.frexp(values)[1].astype(np.int64) - 1
    return np.where(high > 0, 2 * high + ((values >> np.maximum(high - 1, 0)) & 1), 0)

"""Powers from square roots: IEEE 754 rounds them the same way everywhere (SPEC, section 12.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def power(base: Any, whole: int, bits: Any) -> NDArray[np.float64]:
    """The power base ** (whole + bits / 2^32), the same bits on every machine.

    A library's `pow`, `exp` and `log` may differ in the last place. Products and square roots do
    not: whole times the base, then the 2^k-th root for every k whose bit is set, k rising.

    Args:
        base: positive float64, one or an array.
        whole: whole part of the exponent, not negative.
        bits: its fraction in units of 2^-32, 0..2^32 - 1, one or an array.
    """
    bits = np.asarray(bits, np.uint32)
    root = np.asarray(base, np.float64)
    result = np.ones(np.broadcast_shapes(root.shape, bits.shape))
    for _ in range(whole):
        result = result * root
    for bit in range(31, -1, -1):
        root = np.sqrt(root)
        result = np.where(bits >> np.uint32(bit) & np.uint32(1), result * root, result)
    return result

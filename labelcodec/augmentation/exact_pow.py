"""Exactly reproducible powers, computed from square roots (SPEC, section 12.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def power(base: Any, whole: int, bits: Any) -> NDArray[np.float64]:
    """The power base ** (whole + bits / 2^32), with the same bits on every machine.

    A library's `pow`, `exp` and `log` may differ in the last bit. Products and square roots do not,
    because IEEE 754 rounds them correctly. The result is the base multiplied `whole` times, then by
    the 2^k-th root of the base for every bit k of the fraction that is set.

    Args:
        base: positive float64, scalar or array.
        whole: integer part of the exponent, 0 or more.
        bits: fraction of the exponent in units of 2^-32, 0..2^32 - 1, scalar or array.

    Returns:
        float64 array of the broadcast shape.
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

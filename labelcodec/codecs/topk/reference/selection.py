"""Reference kernel: the k largest values of each label (SPEC, section 8.2)."""

from __future__ import annotations

import numpy as np

from labelcodec.entropy.reference.lanes import Array


def largest(bits: Array, k: int, mantissa: int) -> tuple[Array, Array, bool]:
    """Select the k largest values of each label, by rank.

    Of equal values, -0 and +0 among them, those of the lowest classes are selected; they rank by
    class, every -0 behind every +0: as a bit pattern -0 is below +0.

    Args:
        bits: (B, C) uint16 or uint32 bit patterns, sign highest.
        k: number of classes, 1..C.
        mantissa: number of bits of the mantissa.

    Returns:
        (B, k) int64 classes, (B, k) bit patterns, and whether no value, selected or not, is NaN or
        infinite.
    """
    sign = 1 << (8 * bits.itemsize - 1)
    exponent = sign - (1 << mantissa)
    wide = bits.astype(np.int64)
    key = np.where(wide & sign, wide, wide ^ (sign - 1))  # smaller for larger values
    alike = np.where(wide == sign, sign - 1, key)  # -0 as +0
    selected = np.sort(np.argsort(alike, axis=1, kind="stable")[:, :k], axis=1)
    by_rank = np.argsort(np.take_along_axis(key, selected, axis=1), axis=1, kind="stable")
    index = np.take_along_axis(selected, by_rank, axis=1)
    finite = not bool((wide & exponent == exponent).any())
    return index, np.take_along_axis(bits, index, axis=1), finite

"""Reference kernel: the k largest values of each label (SPEC, section 8.2)."""

from __future__ import annotations

import numpy as np

from labelcodec.entropy.reference.lanes import Array


def largest_keys(bits: Array, k: int, shift: int, mantissa: int) -> tuple[Array, bool]:
    """Keys of the k largest values of each label, in any order.

    Keys sort by descending value, then by class, which is in the low bits. -0 counts as +0 where
    classes are selected; its key follows that of +0.

    Args:
        bits: (B, C) uint16 or uint32 bit patterns, sign highest.
        k: number of keys per label, 1..C.
        shift: number of low bits that hold the class.
        mantissa: number of bits of the mantissa.

    Returns:
        (B, k) uint64 keys, and whether all values are finite.
    """
    sign = 1 << (8 * bits.itemsize - 1)
    exponent = sign - (1 << mantissa)
    wide = bits.astype(np.int64)
    key = np.where(wide & sign, wide, wide ^ (sign - 1))
    ranked = np.argsort(np.where(wide == sign, sign - 1, key), axis=1, kind="stable")[:, :k]
    keys = np.take_along_axis(key, ranked, axis=1) << shift | ranked
    return keys.astype(np.uint64), not bool((wide & exponent == exponent).any())

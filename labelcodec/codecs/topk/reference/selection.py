"""Reference kernel: the k largest values of each label (SPEC, section 8.2)."""

from __future__ import annotations

import numpy as np

from labelcodec.entropy.reference.lanes import Array


def largest_keys(bits: Array, k: int, shift: int) -> Array:
    """Keys of the k largest values of each label, in any order.

    Keys sort by descending value, then by class; the class is in the low bits. -0 counts as +0.

    Args:
        bits: (B, C) uint16 or uint32 bit patterns, sign highest.
        k: number of keys per label, 1..C.
        shift: number of low bits that hold the class.

    Returns:
        (B, k) uint64 keys.
    """
    sign = 1 << (8 * bits.itemsize - 1)
    wide = bits.astype(np.int64)
    wide = np.where(wide == sign, 0, wide)
    inverted = np.where(wide & sign, wide, wide ^ (sign - 1))
    keys = (inverted << shift | np.arange(bits.shape[1])).astype(np.uint64)
    return np.partition(keys, k - 1, axis=1)[:, :k]

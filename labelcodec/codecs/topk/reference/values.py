"""Reference kernels: descending values as levels (SPEC, section 8.4)."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelcodec.codecs.float_bits import from_levels, to_levels, trailing_zeros
from labelcodec.entropy.reference.lanes import Array
from labelcodec.entropy.reference.rans import extra_decode, rans_decode
from labelcodec.entropy.tables import Lookup


def levels_decode(
    states: Array,
    words: Array,
    bits: Array,
    contexts: Array,
    rows: int,
    is_signed: bool,
    lookup: Lookup,
) -> tuple[Array, int]:
    """Decode levels: the first of every label, then the falls to the second, the third, ….

    Args:
        states: initial states of the rANS lanes.
        words: the rANS words.
        bits: the bytes of the extra bits.
        contexts: (k,) context of each rank.
        rows: number of labels, B.
        is_signed: whether first levels are zigzag-mapped.
        lookup: decoding tables of all contexts.

    Returns:
        (B, k) int64 levels, and a status: 1 if the stream is malformed.
    """
    k, left = len(contexts), states.copy()
    levels = np.zeros((rows, k), np.int64)
    tokens, read = rans_decode(left, words, 0, 0, np.repeat(contexts, rows), lookup)
    if read != len(words) or (left != 1 << 16).any():
        return levels, 1
    values, position = extra_decode(tokens, lookup[1].shape[1] - 1, bits, 0)
    if position < 0 or (position + 7) // 8 != len(bits):
        return levels, 1
    by_rank = values.reshape(k, rows)
    if is_signed:
        by_rank[0] = (by_rank[0] >> 1) ^ -(by_rank[0] & 1)
    by_rank[1:] = -by_rank[1:]
    return np.ascontiguousarray(np.cumsum(by_rank, axis=0).T), 0


def level_bits(levels: Array, width: int, drop: int, dtype: Any) -> tuple[Array, int]:
    """Bit patterns of levels, with the `drop` lowest bits zero.

    Args:
        levels: (B, k) int64 levels of `width` bits.
        width: number of bits in a level, 1..32.
        drop: number of low bits that were dropped.
        dtype: uint16 or uint32, the type of the bit patterns.

    Returns:
        (B, k) bit patterns, and a status: 1 if a level has more bits.
    """
    if (levels < 0).any() or (levels >> width).any():
        return np.zeros(levels.shape, dtype), 1
    return (from_levels(levels, width) << drop).astype(dtype), 0


def bit_levels(bits: Array) -> tuple[Array, int]:
    """Levels of bit patterns: the inverse of `level_bits`.

    Args:
        bits: (B, k) uint16 or uint32 bit patterns.

    Returns:
        (B, k) int64 levels, and the number of low bits, zero in all patterns, that they lack.
    """
    drop = trailing_zeros(bits)
    return to_levels(bits >> drop, 8 * bits.itemsize - drop), drop

"""Reference kernels: labels whose permutations take no account of ties (SPEC, section 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from labelcodec.codecs.topk.reference.class_set import set_decode
from labelcodec.codecs.topk.reference.permutation import order_decode, order_intervals
from labelcodec.codecs.topk.reference.values import level_bits, levels_decode
from labelcodec.entropy.reference.lanes import Array, Buffer, Exhausted, split_rans, split_symbols
from labelcodec.entropy.reference.rans import encode_values, rans_encode
from labelcodec.entropy.tables import Lookup

Part = tuple[Array, Array, Array]  # states, words and extra bits
BAD_SET, BAD_VALUES, BAD_ORDER, BAD_LEVEL = 1, 2, 3, 4  # statuses


def labels_encode(
    gaps: Array,
    contexts: Array,
    ranks: Array,
    values: Array,
    value_contexts: Array,
    set_packed: Array,
    value_packed: Array,
    lanes: int,
) -> tuple[Part, Part, tuple[Array, Array]]:
    """Encode what `rank_labels` made of labels.

    Args:
        gaps: (k, B) int64 gaps between positions.
        contexts: (k, B) uint16 contexts of the gaps.
        ranks: (B, k) int16 ranks of the members, in order of position.
        values: (k, B) int64 first levels and falls.
        value_contexts: (k,) uint16 context of each rank's level.
        set_packed: (K, S) uint32 intervals of the gaps' table set.
        value_packed: (K, S) uint32 intervals of the levels' table set.
        lanes: number of lanes of each part, 1..32.

    Returns:
        The class sets, levels and permutations.
    """
    repeated = np.repeat(value_contexts, gaps.shape[1])
    distinct = np.broadcast_to(-np.arange(ranks.shape[1]), ranks.shape)
    return (
        encode_values(gaps.ravel(), contexts.ravel(), set_packed, lanes),
        encode_values(values.ravel(), repeated, value_packed, lanes),
        rans_encode(order_intervals(ranks, distinct), lanes),
    )


def labels_decode(
    set_part: Buffer,
    value_part: Buffer,
    order_part: Buffer,
    lanes: int,
    rows: int,
    order: Array,
    contexts: Array,
    set_lookup: Lookup,
    value_lookup: Lookup,
    dtype: Any,
    drop: int,
) -> tuple[Array, Array, int]:
    """Decode classes and values by rank; no two levels of a label share an interval.

    Args:
        set_part: coded part of the class sets.
        value_part: coded part of the levels.
        order_part: rANS part of the permutations.
        lanes: number of lanes of each part, 1..32.
        rows: number of labels, B.
        order: (C,) class at each position, C below 2^31.
        contexts: (k,) uint16 context of each rank's level.
        set_lookup: decoding tables of the class sets.
        value_lookup: decoding tables of the levels.
        dtype: uint16 or uint32 for bit patterns, or int64 for levels, whose first ones are then
            zigzag-mapped.
        drop: number of low bits that bit patterns were stored without.

    Returns:
        (B, k) int64 classes, (B, k) values, and a status: 1, 2 or 3 if the class sets, the levels
        or the permutations are malformed, 4 if a level is wider than a bit pattern.
    """
    k, is_signed = len(contexts), dtype == np.int64
    index, values = np.zeros((rows, k), np.int64), np.zeros((rows, k), dtype)
    members, status = _decode_part(set_decode, set_part, lanes, rows, k, order, set_lookup)
    if status:
        return index, values, BAD_SET
    levels, status = _decode_part(
        levels_decode, value_part, lanes, contexts, rows, is_signed, value_lookup
    )
    if status:
        return index, values, BAD_VALUES
    try:
        states, words = split_rans(order_part, lanes)
    except Exhausted:
        return index, values, BAD_ORDER
    index, status = order_decode(states, words, np.broadcast_to(-np.arange(k), (rows, k)), members)
    if status:
        return index, values, BAD_ORDER
    if is_signed:
        return index, levels, 0
    bits, status = level_bits(levels, 8 * values.itemsize - drop, drop, dtype)
    return index, bits, BAD_LEVEL if status else 0


def _decode_part(
    decode: Callable[..., tuple[Array, int]], part: Buffer, lanes: int, *rest: Any
) -> tuple[Array, int]:
    """What `decode` makes of a coded part; nothing and 1 if that is malformed."""
    try:
        return decode(*split_symbols(part, lanes), *rest)
    except Exhausted:
        return np.zeros(0), 1

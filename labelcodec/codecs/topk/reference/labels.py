"""Reference kernels: labels whose permutations take no account of ties (SPEC, section 8)."""

from __future__ import annotations

import numpy as np

from labelcodec.codecs.topk.reference.class_set import set_decode
from labelcodec.codecs.topk.reference.permutation import order_decode, order_intervals
from labelcodec.codecs.topk.reference.values import levels_decode
from labelcodec.entropy.reference.lanes import Array
from labelcodec.entropy.reference.rans import encode_values, rans_encode
from labelcodec.entropy.tables import Lookup

Part = tuple[Array, Array, Array]  # states, words and extra bits
BAD_SET, BAD_VALUES, BAD_ORDER = 1, 2, 3  # statuses: which part is malformed


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
        The parts that `labels_decode` takes: class sets, levels and permutations.
    """
    repeated = np.repeat(value_contexts, gaps.shape[1])
    distinct = np.broadcast_to(-np.arange(ranks.shape[1]), ranks.shape)
    return (
        encode_values(gaps.ravel(), contexts.ravel(), set_packed, lanes),
        encode_values(values.ravel(), repeated, value_packed, lanes),
        rans_encode(order_intervals(ranks, distinct), lanes),
    )


def labels_decode(
    set_part: Part,
    value_part: Part,
    order_part: tuple[Array, Array],
    rows: int,
    order: Array,
    contexts: Array,
    is_signed: bool,
    set_lookup: Lookup,
    value_lookup: Lookup,
) -> tuple[Array, Array, int]:
    """Decode classes and levels by rank; no two levels of a label share an interval.

    Args:
        set_part: states, words and extra bits of the class sets.
        value_part: states, words and extra bits of the levels.
        order_part: states and words of the permutations.
        rows: number of labels, B.
        order: (C,) class at each position.
        contexts: (k,) context of each rank's level.
        is_signed: whether first levels are zigzag-mapped.
        set_lookup: decoding tables of the class sets.
        value_lookup: decoding tables of the levels.

    Returns:
        (B, k) int64 classes, (B, k) int64 levels, and a status: 1, 2 or 3 if the class sets, the
        levels or the permutations are malformed.
    """
    k = len(contexts)
    index = levels = np.zeros((rows, k), np.int64)
    members, status = set_decode(*set_part, rows, k, order, set_lookup)
    if status:
        return index, levels, BAD_SET
    levels, status = levels_decode(*value_part, contexts, rows, is_signed, value_lookup)
    if status:
        return index, levels, BAD_VALUES
    distinct = np.broadcast_to(-np.arange(k), (rows, k))
    index, status = order_decode(*order_part, distinct, members)
    return index, levels, BAD_ORDER if status else 0

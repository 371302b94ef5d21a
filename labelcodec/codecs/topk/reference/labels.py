"""Reference kernel: labels whose values have no ties, all three parts at once (SPEC, section 8)."""

from __future__ import annotations

import numpy as np

from labelcodec.codecs.topk.reference.class_set import set_decode
from labelcodec.codecs.topk.reference.permutation import order_decode
from labelcodec.codecs.topk.reference.values import levels_decode
from labelcodec.entropy.reference.lanes import Array
from labelcodec.entropy.tables import Lookup

BAD_SET, BAD_VALUES, BAD_ORDER = 1, 2, 3  # statuses: which part is malformed


def labels_decode(
    set_part: tuple[Array, Array, Array],
    value_part: tuple[Array, Array, Array],
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

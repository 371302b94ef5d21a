"""Reference kernels: class sets (SPEC, section 8.2)."""

from __future__ import annotations

import numpy as np

from labelcodec.codecs.topk.contexts import gap_contexts
from labelcodec.codecs.topk.facts import RankingFacts
from labelcodec.codecs.topk.format import FIRST_GAP
from labelcodec.entropy.reference.lanes import Array, Bits, Exhausted, Lanes
from labelcodec.entropy.tables import Lookup


def rank_labels(
    position: Array, index: Array, levels: Array, is_signed: bool
) -> tuple[Array, Array, Array, Array, RankingFacts]:
    """Class set, permutation and falls of labels.

    Args:
        position: (C,) position of each class in the class order.
        index: (B, k) classes by rank.
        levels: (B, k) int64 values as order-preserving integers.
        is_signed: whether first levels are zigzag-mapped.

    Returns:
        (k, B) int64 gaps between the sorted positions, and their uint16 contexts; (B, k) int16 rank
        of each member of the set, members in order of position; (k, B) int64 first levels and falls
        to the next; and facts about the labels. Only the facts hold if a class is repeated.
    """
    positions = position[index]
    ranks = np.argsort(positions, axis=1)
    gaps = np.diff(np.take_along_axis(positions, ranks, axis=1), axis=1, prepend=-1).T - 1
    falls = levels[:, :-1] - levels[:, 1:]
    tied = falls == 0
    facts = RankingFacts(
        repeated=bool((gaps < 0).any()),
        rising=bool((falls < 0).any()),
        by_class=bool((~tied | (index[:, 1:] > index[:, :-1])).all()),
        constant=bool((levels == levels[0, 0]).all()),
        tied=int(tied.sum()),
        largest=int(np.abs(levels).max()),
    )
    first = levels[:, :1]
    if is_signed:
        first = np.where(first >= 0, 2 * first, -2 * first - 1)
    values = np.concatenate([first, falls], axis=1).T
    contexts = np.full(gaps.shape, FIRST_GAP, np.uint16)
    if not facts.repeated:
        before = np.concatenate([gaps[:1], gaps[:-2]])[: len(gaps) - 1]
        contexts[1:] = gap_contexts(gaps[:-1], before)
    return gaps, contexts, ranks.astype(np.int16), values, facts


def set_decode(
    states: Array,
    words: Array,
    extra: Array,
    rows: int,
    k: int,
    order: Array,
    lookup: Lookup,
) -> tuple[Array, int]:
    """Decode the kept classes.

    Args:
        states: initial states of the rANS lanes.
        words: the rANS words.
        extra: the bytes of the extra bits.
        rows: number of labels, B.
        k: number of classes per label.
        order: (C,) class at each position.
        lookup: decoding tables of all contexts.

    Returns:
        (B, k) int64 classes in order of position, and a status: 1 if the stream is malformed.
    """
    members, escape = np.zeros((rows, k), np.int64), lookup[1].shape[1] - 1
    last = np.full(rows, -1, np.int64)
    gaps = np.zeros((2, rows), np.int64)
    try:
        lanes, bits = Lanes(states, words), Bits(extra)
        for i in range(k):
            contexts = gap_contexts(gaps[0], gaps[min(i - 1, 1)]) if i else np.full(rows, FIRST_GAP)
            taken = lanes.take(lookup, contexts).tolist()
            gap = np.array([bits.value(token, escape) for token in taken], np.int64)
            last = last + gap + 1
            if (last >= len(order)).any():
                raise Exhausted
            members[:, i] = order[last]
            gaps = np.stack([gap, gaps[0]])
        lanes.close()
    except Exhausted:
        return members, 1
    return members, 0 if (bits.position + 7) // 8 == len(extra) else 1

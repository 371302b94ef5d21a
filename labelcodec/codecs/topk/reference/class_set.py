"""Reference kernels: class sets and ranking keys (SPEC, section 8.2)."""

from __future__ import annotations

import numpy as np

from labelcodec.codecs.topk.contexts import gap_contexts
from labelcodec.entropy.reference.lanes import Array, Bits, Exhausted, Lanes
from labelcodec.entropy.tables import Lookup


def set_decode(
    states: Array,
    words: Array,
    extra: Array,
    rows: int,
    k: int,
    classes: int,
    lookup: Lookup,
    escape: int,
) -> tuple[Array, int]:
    """Decode the positions of the kept classes.

    Args:
        states: initial states of the rANS lanes.
        words: the rANS words.
        extra: the bytes of the extra bits.
        rows: number of labels, B.
        k: number of classes per label.
        classes: C.
        lookup: decoding tables of all contexts.
        escape: the symbol that marks an escaped token.

    Returns:
        (B, k) int64 ascending positions below C, and a status: 1 if the stream is malformed.
    """
    positions = np.zeros((rows, k), np.int64)
    last = np.full(rows, -1, np.int64)
    gaps = np.zeros((2, rows), np.int64)
    try:
        lanes, bits = Lanes(states, words), Bits(extra)
        for i in range(k):
            contexts = gap_contexts(gaps[0], gaps[min(i - 1, 1)]) if i else np.full(rows, 16)
            taken = lanes.take(lookup, contexts).tolist()
            gap = np.array([bits.value(token, escape) for token in taken], np.int64)
            last = last + gap + 1
            if (last >= classes).any():
                raise Exhausted
            positions[:, i] = last
            gaps = np.stack([gap, gaps[0]])
        lanes.close()
    except Exhausted:
        return positions, 1
    return positions, 0 if (bits.position + 7) // 8 == len(extra) else 1


def ranking_keys(bits: Array, width: int, shift: int, keys: Array) -> None:
    """Fill `keys` with integers that sort by descending value, then by column.

    Args:
        bits: (B, C) bit patterns of `width` bits, sign highest; -0 is treated as +0.
        width: 16 or 32.
        shift: number of low bits that hold the column.
        keys: (B, C) unsigned output.
    """
    wide, sign = bits.astype(np.int64), 1 << (width - 1)
    wide = np.where(wide == sign, 0, wide)
    inverted = np.where(wide & sign, wide, wide ^ (sign - 1))
    keys[:] = inverted << shift | np.arange(bits.shape[1])

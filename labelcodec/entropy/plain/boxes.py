"""Crop boxes (SPEC, section 5.4)."""

from __future__ import annotations

import numpy as np

from labelcodec.entropy.plain.bits import unpack_digits
from labelcodec.entropy.plain.lanes import LOW, Array
from labelcodec.entropy.plain.rans import extra_decode, rans_decode, split_tokens
from labelcodec.entropy.tables import Lookup


def box_decode(
    states: Array,
    words: Array,
    bits: Array,
    size: Array,
    height: Lookup,
    width: Lookup,
    tall: int,
    wide: int,
) -> tuple[Array, int]:
    """Boxes from heights, widths in the context of their heights' tokens, and places as digits.

    Args:
        states: of the rANS part.
        words: of the rANS part.
        bits: extra bits, then the digits: how far each box is from the top and from the left.
        size: (B, 2) height and width of each image.
        height: of the heights' table.
        width: of the widths' tables.
        tall: escape symbol of the heights.
        wide: escape symbol of the widths.

    Returns:
        (B, 4) int32 top, left, height, width; and 0, or 1 when the stream is bad, or 2 when a
        box is empty or larger than its image.
    """
    states, box = states.astype(np.uint64), np.zeros((len(size), 4), np.int64)
    read, position, contexts = 0, 0, np.zeros(len(size), np.int64)
    for i, (lookup, escape) in enumerate(((height, tall), (width, wide))):
        symbols, read = rans_decode(states, words, read, i * len(size), contexts, lookup)
        if read < 0:
            return box.astype(np.int32), 1
        box[:, 2 + i], position = extra_decode(symbols, escape, bits, position)
        if position < 0:
            return box.astype(np.int32), 1
        contexts = split_tokens(box[:, 2])[0]
    if read != len(words) or (states != LOW).any():
        return box.astype(np.int32), 1
    room = size - box[:, 2:] + 1
    if min(room.min(), box[:, 2:].min()) < 1:
        return box.astype(np.int32), 2
    places, status = unpack_digits(bits, position, room.ravel())
    box[:, :2] = places.reshape(-1, 2)
    return box.astype(np.int32), status

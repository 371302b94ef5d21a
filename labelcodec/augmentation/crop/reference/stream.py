"""Kernels of the crop stream (SPEC, section 5.4) in NumPy."""

from __future__ import annotations

import numpy as np

from labelcodec.augmentation.crop.format import MAX_SIDE
from labelcodec.entropy.format import FIRST_STATE
from labelcodec.entropy.reference.bits import group_digits, pack_bits, unpack_digits
from labelcodec.entropy.reference.lanes import Array, Buffer, Exhausted, split_symbols
from labelcodec.entropy.reference.rans import (
    extra_decode,
    rans_decode,
    rans_encode,
    split_tokens,
    token_intervals,
)
from labelcodec.entropy.tables import Lookup


def box_encode(
    box: Array, size: Array, height: Array, width: Array, lanes: int
) -> tuple[Array, Array, Array] | None:
    """Encode crop boxes (SPEC, section 5.4).

    Args:
        box: (B, 4) int32 top, left, height and width in pixels.
        size: (B, 2) int32 heights and widths of the images in pixels.
        height: (1, S) uint32 intervals of the heights' tokens.
        width: (K, S) uint32 intervals of the widths' tokens, by the token of the height.
        lanes: number of rANS lanes, 1..32.

    Returns:
        (lanes,) uint32 states, uint16 words, and the uint8 bytes of the extra bits, then the
        mixed-radix digits of the offsets from top and left. None if a box is empty or leaves its
        image, or an image has a side of 2^24 pixels or more.
    """
    box, size = box.astype(np.int64), size.astype(np.int64)
    inside = (box[:, :2] >= 0) & (box[:, 2:] > 0) & (box[:, :2] + box[:, 2:] <= size)
    if not (inside & (size < MAX_SIDE)).all():
        return None
    contexts = split_tokens(box[:, 2])[0]
    parts = [
        token_intervals(box[:, 2], np.zeros(len(box), np.int64), height),
        token_intervals(box[:, 3], contexts, width),
    ]
    intervals, extra, widths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    offsets, digit_widths = group_digits(box[:, :2].ravel(), (size - box[:, 2:] + 1).ravel())
    bits = pack_bits(np.concatenate([extra, offsets]), np.concatenate([widths, digit_widths]))
    return *rans_encode(intervals, lanes), bits


def box_decode(
    data: Buffer,
    lanes: int,
    size: Array,
    height: Lookup,
    width: Lookup,
) -> tuple[Array, int]:
    """Decode crop boxes (SPEC, section 5.4).

    Heights come first, then widths in the context of the height's token, then offsets.

    Args:
        data: a coded part; behind its extra bits come the mixed-radix digits of the offsets from
            top and left.
        lanes: number of lanes of the coded part, 1..32.
        size: (B, 2) int32 heights and widths of the images in pixels.
        height: decoding table of the heights.
        width: decoding tables of the widths.

    Returns:
        (B, 4) int32 top, left, height, width, and a status: 1 if the stream is malformed, 2 if a
        box is empty or larger than its image.
    """
    box = np.zeros((len(size), 4), np.int64)
    try:
        states, words, bits = split_symbols(data, lanes)
    except Exhausted:
        return box.astype(np.int32), 1
    states = states.copy()
    read, position, contexts = 0, 0, np.zeros(len(size), np.int64)
    for i, lookup in enumerate((height, width)):
        escape = lookup[1].shape[1] - 1
        symbols, read = rans_decode(states, words, read, i * len(size), contexts, lookup)
        if read < 0:
            return box.astype(np.int32), 1
        box[:, 2 + i], position = extra_decode(symbols, escape, bits, position)
        if position < 0:
            return box.astype(np.int32), 1
        contexts = split_tokens(box[:, 2])[0]
    if read != len(words) or (states != FIRST_STATE).any():
        return box.astype(np.int32), 1
    room = size - box[:, 2:] + 1
    if min(room.min(), box[:, 2:].min()) < 1:
        return box.astype(np.int32), 2
    offsets, status = unpack_digits(bits, position, room.ravel())
    box[:, :2] = offsets.reshape(-1, 2)
    return box.astype(np.int32), status

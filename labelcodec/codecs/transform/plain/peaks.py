"""Peaks: their places in a ranking, their choice, logits with them; plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import tokens

Array = NDArray[Any]


def ranked_classes(scores: Array, counts: Array, places: Array) -> Array:
    """Classes at places of each label's ranking: highest score first, then lowest class."""
    order = np.argsort(-scores.astype(np.int64), axis=1, kind="stable")
    rows = np.repeat(np.arange(len(counts)), counts)
    return np.asarray(order[rows, places])


def peak_bits(places: Array) -> Array:
    """Bits that a peak at a place of the ranking takes, roughly."""
    return np.asarray(8 + tokens.bucket(1 + places) // 2, np.float32)


def choose(scores: Array, gain: Array, price: float, most: int) -> tuple[Array, Array, Array]:
    """Peaks whose gain is worth their bits.

    Args:
        scores: (B, C) int32.
        gain: (B, C) float32 nats that correcting the class saves.
        price: nats a bit must save.
        most: peaks a label may have.

    Returns:
        (B,) counts, (P,) places in the ranking, rising in each label, and (P,) classes.
    """
    order = np.argsort(-scores.astype(np.int64), axis=1, kind="stable")
    ranked = np.take_along_axis(gain, order, axis=1)
    bits = peak_bits(np.arange(scores.shape[1])) * np.float32(price)
    excess = np.where(ranked > bits, ranked - bits, 0).astype(np.float32)
    if most < scores.shape[1]:
        limit = -np.partition(-excess, most, axis=1)[:, most : most + 1]
        excess = np.where(excess > limit, excess, 0)
    rows, places = np.nonzero(excess)
    return np.bincount(rows, minlength=len(scores)), places, order[rows, places]


def expand(
    scores: Array, counts: Array, classes: Array, values: Array, tail: Array, shift: int
) -> Array:
    """(B, C) int32 logits: peaks put in, all others corrected by their distance to the largest.

    Args:
        scores: (B, C) int32.
        counts: (B,) peaks of each label.
        classes: (P,) classes of the peaks, label by label.
        values: (P,) int32 their logits.
        tail: (T,) int32 correction by distance; the last one holds from there on.
        shift: a distance counts in units of 2^shift.
    """
    full = scores.copy()
    rows = np.repeat(np.arange(len(counts)), counts)
    full[rows, classes] = values
    distance = (full.max(axis=1, keepdims=True).astype(np.int64) - full) >> shift
    result = full + tail[np.minimum(distance, len(tail) - 1)]
    result[rows, classes] = values
    return np.asarray(result, np.int32)

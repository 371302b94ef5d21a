"""Reference kernels: ranking, choice and expansion of peaks (SPEC, section 9.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.format import MAX_SCORE

Array = NDArray[Any]


def ranked_classes(scores: Array, counts: Array, places: Array) -> Array:
    """Classes at given positions of each label's ranking: highest score first, then lowest class.

    Args:
        scores: (B, C) int32 scores.
        counts: (B,) number of positions per label.
        places: (P,) positions, label by label.

    Returns:
        (P,) classes.
    """
    order = np.argsort(-scores.astype(np.int64), axis=1, kind="stable")
    rows = np.repeat(np.arange(len(counts)), counts)
    return np.asarray(order[rows, places])


def choose(scores: Array, gain: Array, price: Array, most: int) -> tuple[Array, Array, Array]:
    """Choose the peaks whose gain is worth their bits.

    Args:
        scores: (B, C) int32 scores.
        gain: (B, C) float32 nats of KL that correcting the class saves.
        price: (C,) float32 nats that a peak at each position of the ranking must save.
        most: largest number of peaks per label.

    Returns:
        (B,) counts, (P,) positions in the ranking, ascending within a label, and (P,) classes.
    """
    order = np.argsort(-scores.astype(np.int64), axis=1, kind="stable")
    ranked = np.take_along_axis(gain, order, axis=1)
    excess = np.where(ranked > price, ranked - price, 0).astype(np.float32)
    if most < scores.shape[1]:
        limit = -np.partition(-excess, most, axis=1)[:, most : most + 1]
        excess = np.where(excess > limit, excess, 0)
    rows, places = np.nonzero(excess)
    return np.bincount(rows, minlength=len(scores)), places, order[rows, places]


def expand(
    scores: Array, counts: Array, classes: Array, values: Array, tail: Array, shift: int
) -> Array:
    """Logits with peaks applied and all other classes corrected by distance (SPEC, clause X-15).

    Args:
        scores: (B, C) int32 scores.
        counts: (B,) number of peaks per label.
        classes: (P,) classes of the peaks, label by label.
        values: (P,) int32 logits of the peaks.
        tail: (T,) int32 correction by distance to the largest logit; the last entry also holds for
            all larger distances.
        shift: distances are counted in steps of 2^shift units.

    Returns:
        (B, C) int32 logits in units.
    """
    full = scores.copy()
    rows = np.repeat(np.arange(len(counts)), counts)
    full[rows, classes] = values
    distance = (full.max(axis=1, keepdims=True).astype(np.int64) - full) >> shift
    result = full + tail[np.minimum(distance, len(tail) - 1)]
    result[rows, classes] = values
    return np.asarray(result, np.int32)


def logits(units: Array, unit: float) -> Array:
    """(B, C) float32 logits from (B, C) int32 units of `unit` logits, a power of two."""
    values = units.astype(np.float32)
    values *= np.float32(unit)
    return values


def expand_logits(
    scores: Array, counts: Array, classes: Array, values: Array, tail: Array, shift: int,
    unit: float,
) -> Array:  # fmt: skip
    """(B, C) float32 logits of what `expand` gives, in units of `unit` logits."""
    return logits(expand(scores, counts, classes, values, tail, shift), unit)


def finished(
    scores: Array, counts: Array, places: Array, residuals: Array, peak: int, tail: Array,
    shift: int, unit: float,
) -> Array:  # fmt: skip
    """Logits from scores: peaks found in the ranking, applied, and all other classes corrected.

    Args:
        scores: (B, C) int32 scores; their memory may be used for the logits.
        counts: (B,) number of peaks per label.
        places: (P,) positions of the peaks, label by label and ascending within one.
        residuals: (P,) int64 corrections of the peaks' logits, in steps of `peak` units.
        peak: units per step.
        tail: (T,) int32 correction as in `expand`.
        shift: distances are counted in steps of 2^shift units.
        unit: logits per unit, a power of two.

    Returns:
        (B, C) float32 logits.
    """
    rows = np.repeat(np.arange(len(counts)), counts)
    classes = ranked_classes(scores, counts, places)
    values = np.clip(scores[rows, classes] + residuals * peak, -MAX_SCORE, MAX_SCORE)
    return expand_logits(scores, counts, classes, values.astype(np.int32), tail, shift, unit)

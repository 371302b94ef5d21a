"""Context formulas for coefficients, gaps and residuals, and the zigzag map (SPEC, section 9.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.format import (
    BEFORE,
    COEFFICIENT_CONTEXTS,
    COUNTS,
    DECAY,
    LEFT,
    MAX_MAGNITUDE,
    RANKS,
)
from labelcodec.entropy import tokens

Array = NDArray[Any]


def unzigzag(values: Array) -> Array:
    """Undo the zigzag map: 0, 1, 2, 3, … become 0, -1, 1, -2, …."""
    return (values >> 1) ^ -(values & 1)


def activity(before: Array, coefficients: Array, weight: int) -> Array:
    """Update the activity: a decaying sum of weighted coefficient magnitudes (SPEC, clause X-13).

    Args:
        before: (B,) activity of each label so far.
        coefficients: (B,) the labels' next coefficients.
        weight: weight of this column.
    """
    magnitude = np.minimum(np.abs(coefficients), MAX_MAGNITUDE)
    result: Array = before - (before >> DECAY) + magnitude * weight
    return result


def residual_context(counts: Array, places: Array) -> Array:
    """Context of each residual (SPEC, clause X-13).

    Args:
        counts: (P,) number of peaks of the residual's label.
        places: (P,) the peak's position in the ranking.
    """
    rank = np.minimum(tokens.bucket(places + 1) // 2, RANKS - 1)
    many = np.minimum(tokens.bucket(counts) // 3, COUNTS - 1)
    context: Array = COEFFICIENT_CONTEXTS + rank * COUNTS + many
    return context


def gap_context(left: Array, before: Array) -> Array:
    """Context of a gap between two peaks of a label (SPEC, clause X-11).

    Args:
        left: peaks still to come, this one included; 1 or more.
        before: the previous gap; -1 for the first peak.
    """
    to_come = np.minimum(tokens.bucket(left), LEFT - 1)
    previous = np.minimum((tokens.bucket(before + 2) + 1) >> 1, BEFORE - 1)
    context: Array = 1 + to_come * BEFORE + np.where(before < 0, 0, previous)
    return context

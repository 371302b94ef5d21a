"""Contexts of the gaps between positions of kept classes (SPEC, section 8.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def gap_contexts(previous: Array, before: Array) -> Array:
    """Context 0..15 of a gap: the half-octave of the two preceding gaps' sum, plus 1.

    Args:
        previous: the preceding gap.
        before: the gap before that one; `previous` again if there is none.
    """
    total = previous + before + 1
    high = np.frexp(total)[1].astype(np.int64) - 1
    half = np.where(high > 0, (total >> np.maximum(high - 1, 0)) & 1, 0)
    contexts: Array = np.minimum(2 * high + half, 15)
    return contexts

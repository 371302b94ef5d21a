"""Contexts of the gaps between positions of kept classes (SPEC, section 8.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy.tokens import bucket

Array = NDArray[Any]


def gap_contexts(previous: Array, before: Array) -> Array:
    """Context 0..15 of a gap: the half-octave of the two preceding gaps' sum, plus 1.

    Args:
        previous: the preceding gap.
        before: the gap before that one; `previous` again if there is none.
    """
    contexts: Array = np.minimum(bucket(previous + before + 1), 15)
    return contexts

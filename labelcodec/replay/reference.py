"""The replay's kernels in NumPy: the reference implementation of `compiled`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def normalise_levels(levels: NDArray[np.uint8], table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Look up grey levels.

    Args:
        levels: (n, 3) uint8 pixels.
        table: (3, 256) float32 values of all levels, a row per colour.

    Returns:
        (n, 3) float32.
    """
    normalised: NDArray[np.float32] = table[np.arange(3), levels]
    return normalised

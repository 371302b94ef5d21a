"""The replay's kernels in NumPy: the reference implementation of `compiled`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def finish_levels(
    levels: NDArray[np.uint8],
    table: NDArray[np.float32],
    partner: NDArray[np.int64],
    box: tuple[int, int, int, int],
    out: NDArray[np.float32],
) -> None:
    """Paste the box of every image's partner, and look up grey levels.

    Args:
        levels: (B, H, W, 3) uint8 images.
        table: (3, 256) float32 values of all levels, a row per colour.
        partner: (B,) int64 row of the image that each image is mixed with.
        box: row0, row1, column0, column1 in pixels, within the images; the ends are exclusive.
        out: (B, H, W, 3) float32 the result is written to.
    """
    row0, row1, column0, column1 = box
    mixed = levels.copy()
    mixed[:, row0:row1, column0:column1] = levels[partner, row0:row1, column0:column1]
    out[:] = table[np.arange(3), mixed]

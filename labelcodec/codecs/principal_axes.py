"""Principal axes by randomised subspace iteration.

Source: Halko, Martinsson, Tropp, "Finding structure with randomness" (2011), algorithm 4.4.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SPARE = 16  # oversampling: extra columns, for the accuracy of the last axes


def principal_axes(
    times: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    classes: int,
    rank: int,
    rounds: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The axes of most variance of a covariance that is only known by its products.

    Args:
        times: the (C, q) product of the covariance with a block (C, q) of columns.
        classes: C.
        rank: number of axes, 1..C.
        rounds: iterations; their cost is the products.

    Returns:
        (C, rank) orthonormal columns, by descending variance, and the (rank,) variances.
    """
    start = np.random.default_rng(0).standard_normal((classes, min(rank + SPARE, classes)))
    block = np.linalg.qr(start)[0]
    for _ in range(rounds):
        block = np.linalg.qr(times(block))[0]
    small = block.T @ times(block)
    variance, turn = np.linalg.eigh((small + small.T) / 2)
    return block @ turn[:, ::-1][:, :rank], variance[::-1][:rank]

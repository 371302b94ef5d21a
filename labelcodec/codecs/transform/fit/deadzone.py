"""Rate-distortion optimised rounding of coefficients, with dead zones wider than half a step.

Coefficients are modelled as Laplace-distributed. A coefficient is rounded up only where the
squared error saved is worth the bits: at a threshold, error^2 + LAMBDA * bits is the same for
both roundings.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LAMBDA = 0.12  # squared steps per bit; 2 ln 2 / 12 for uniform errors
ROUND = 0.4  # rounding offset where only the mean magnitude is estimated
MAX_BITS = 6.0  # cap of the bits that a larger magnitude adds
_ZONE = 0.6  # typical first threshold, for estimating the scale
_SCALE = np.geomspace(0.12, 60, 200)  # scales of the Laplace distribution, in steps


class DeadZones(NamedTuple):
    """Rounding thresholds of each column, in quantisation steps.

    Attributes:
        first: (r,) coefficients below this magnitude become 0.
        later: (r,) magnitudes above k + `later` become k + 1, for k = 1, 2, ….
    """

    first: NDArray[np.float32]
    later: NDArray[np.float32]


def dead_zones(size: NDArray[Any]) -> DeadZones:
    """Dead zones of columns, from the magnitude of their coefficients.

    Args:
        size: (r,) mean magnitude of each column's rounded coefficients.
    """
    decay = np.exp(-1 / _SCALE)
    outside = np.exp(-_ZONE / _SCALE)
    scale = np.interp(size, outside / (1 - decay), _SCALE)
    decay, outside = np.exp(-1 / scale), np.exp(-_ZONE / scale)
    bits = np.log2((1 - outside) / (outside * (1 - decay) / 2)), -np.log2(decay)
    first, later = (0.5 + LAMBDA / 2 * np.clip(count, 0, MAX_BITS) for count in bits)
    return DeadZones(first.astype(np.float32), later.astype(np.float32))


def quantise(steps: NDArray[np.float32], at: DeadZones | None = None) -> NDArray[np.float32]:
    """Round coefficients to whole steps.

    Args:
        steps: (B, r) coefficients in steps.
        at: the dead zones; None derives them from these coefficients.

    Returns:
        (B, r) float32 whole numbers.
    """
    size = np.abs(steps)
    if at is None:
        at = dead_zones(np.floor(size + np.float32(ROUND)).mean(axis=0))
    whole = np.maximum(np.floor(size + (1 - at.later)), 1)
    return np.asarray(np.copysign(np.where(size < at.first, 0, whole), steps), np.float32)

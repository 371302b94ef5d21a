"""Rounding coefficients to whole steps where bits are counted: dead zones wider than half a step.

A coefficient is taken to have the distribution of Laplace. It is rounded up only where the error
saved is worth the bits: thresholds lie where error^2 + LAMBDA bits are equal on both sides.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LAMBDA = 0.12  # squared steps that a bit may cost: 2 ln 2 / 12 where errors are uniform
ROUND = 0.4  # offset in a first rounding, which shows how large coefficients are
MAX_BITS = 6.0
_ZONE = 0.6  # a typical first threshold
_SCALE = np.geomspace(0.12, 60, 200)  # of the distribution, in steps


class Zones(NamedTuple):
    """Thresholds of each column, in steps.

    Attributes:
        first: (r,) from which magnitude on a coefficient is not 0.
        later: (r,) what is above k + `later` becomes k + 1, for k of 1 and more.
    """

    first: NDArray[np.float32]
    later: NDArray[np.float32]


def zones(size: NDArray[Any]) -> Zones:
    """The thresholds of columns whose rounded coefficients have these mean magnitudes (r,)."""
    decay = np.exp(-1 / _SCALE)
    outside = np.exp(-_ZONE / _SCALE)
    scale = np.interp(size, outside / (1 - decay), _SCALE)
    decay, outside = np.exp(-1 / scale), np.exp(-_ZONE / scale)
    bits = np.log2((1 - outside) / (outside * (1 - decay) / 2)), -np.log2(decay)
    first, later = (0.5 + LAMBDA / 2 * np.clip(count, 0, MAX_BITS) for count in bits)
    return Zones(first.astype(np.float32), later.astype(np.float32))


def rounded(steps: NDArray[np.float32], at: Zones | None = None) -> NDArray[np.float32]:
    """(B, r) whole steps; without zones, those that suit these very coefficients."""
    size = np.abs(steps)
    if at is None:
        at = zones(np.floor(size + np.float32(ROUND)).mean(axis=0))
    whole = np.maximum(np.floor(size + (1 - at.later)), 1)
    return np.asarray(np.copysign(np.where(size < at.first, 0, whole), steps), np.float32)

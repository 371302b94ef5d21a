"""Cutout and RandAugment as LPQLD draws them (SPEC, sections 12.7 and 12.8)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.augment.philox import Purpose, Source, below, fraction
from labelcodec.batch import RandAugment

STRIDE = 1 << 16  # between the words of a sample
OPERATIONS = 15  # in timm's list
BLOCKS = 4  # of words, an operation
LEVELS = 10.0  # timm's largest magnitude
NONE = -99.0
PROBABILITY = 0.5
# The parameter of operation i at a share x of the largest magnitude is FACTOR[i] x + OFFSET[i].
FACTOR = np.array([0, 0, 0, 30, 4, 256, 110, 1.8, 1.8, 1.8, 1.8, 0.3, 0.3, 0.45, 0.45])
OFFSET = np.array([0, 0, 0, 0, 0, 0, 0, 0.1, 0.1, 0.1, 0.1, 0, 0, 0, 0])
WITHOUT, WHOLE, SIGNED = (0, 1, 2), (4, 5, 6), (3, 11, 12, 13, 14)


def draw_cutout(
    source: Source, samples: int, share: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """(B, 7) float32: a box of `share` of each side around any pixel, in any colour."""
    words = source.words(Purpose.CUTOUT, np.arange(samples))
    drawn = np.empty((samples, 7))
    for axis, side in enumerate(size):
        drawn[:, axis] = below(words[:, axis], side) / side
        drawn[:, 2 + axis] = int(share * side + 0.5) / side
    for channel in range(3):
        drawn[:, 4 + channel] = words[:, 2] >> np.uint32(8 * channel) & np.uint32(255)
    return drawn.astype(np.float32)


def draw_operations(
    source: Source, samples: int, operations: int, magnitude: float, deviation: float
) -> RandAugment:
    """RandAugment's draws: `operations` of timm's a sample, each applied with probability 1/2.

    Magnitudes scatter around `magnitude` with nearly normal deviations, the sum of 12 uniform
    numbers less 6.
    """
    block = np.arange(BLOCKS * operations)
    index = np.arange(samples)[:, None] + STRIDE * block
    words = source.words(Purpose.OPERATIONS, index.ravel()).reshape(samples, operations, -1)
    op = below(words[:, :, 0], OPERATIONS)
    decision = (words[:, :, 1] >> np.uint32(8)) / np.float32(1 << 24)
    normal = words[:, :, 4:].sum(axis=2, dtype=np.uint64) / 2.0**32 - 6.0
    share = np.clip(magnitude + deviation * normal, 0.0, LEVELS) / LEVELS
    value = share * FACTOR[op] + OFFSET[op]
    value = np.where(np.isin(op, WHOLE), np.trunc(value), value)
    negative = np.isin(op, SIGNED) & (fraction(words[:, :, 2]) < 0.5)
    value = np.where(negative, -value, value)
    value[(decision >= PROBABILITY) | np.isin(op, WITHOUT)] = NONE
    kinds = ("float32",) * operations
    return RandAugment(op, decision.astype(np.float32), value.astype(np.float32), kinds)

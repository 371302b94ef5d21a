"""Philox4x32-10, a counter-based random number generator (SPEC, section 12.2).

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = 0x9E3779B9, 0xBB67AE85
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


class Purpose(IntEnum):
    """What words are drawn for; the last word of the counter."""

    ORDER = 0
    CROP = 1
    FLIP = 2
    PARTNER = 3
    RATIO = 4
    BOX = 5
    CUTOUT = 6
    OPERATIONS = 7


def philox(counter: NDArray[np.uint32], seed: int) -> NDArray[np.uint32]:
    """Random words of n counters.

    Args:
        counter: (n, 4) uint32 counters.
        seed: the key, 0..2^64 - 1; its lower 32 bits are the key's first word.

    Returns:
        (n, 4) uint32 words.
    """
    x0, x1, x2, x3 = (column.astype(np.uint64) for column in counter.T)
    keys = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(ROUNDS):
        product0, product2 = x0 * MULTIPLIERS[0], x2 * MULTIPLIERS[1]
        x0, x1, x2, x3 = (
            (product2 >> HALF) ^ x1 ^ np.uint64(keys[0]),
            product2 & LOW,
            (product0 >> HALF) ^ x3 ^ np.uint64(keys[1]),
            product0 & LOW,
        )
        keys = [(key + step) & 0xFFFFFFFF for key, step in zip(keys, WEYL, strict=True)]
    return np.stack([x0, x1, x2, x3], axis=1).astype(np.uint32)


@dataclass(frozen=True)
class Source:
    """The random words of one batch.

    Attributes:
        seed: 0..2^64 - 1.
        epoch: 0..2^32 - 1.
        batch: position of the batch in the epoch, 0..2^32 - 1.
    """

    seed: int
    epoch: int
    batch: int

    def words(self, purpose: Purpose, index: NDArray[Any]) -> NDArray[np.uint32]:
        """(n, 4) uint32 words for a purpose at n indices in 0..2^32 - 1."""
        counter = np.empty((len(index), 4), np.uint32)
        counter[:, 0] = index
        counter[:, 1:] = self.batch, self.epoch, purpose
        return philox(counter, self.seed)


def below(word: NDArray[np.uint32], limit: Any) -> NDArray[np.int64]:
    """Integers in 0..limit - 1 for limits up to 2^31: floor(word * limit / 2^32)."""
    product: NDArray[np.int64] = word.astype(np.int64) * limit
    return product >> 32


def fraction(word: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Multiples of 2^-32 in [0, 1), exact."""
    return word / 2.0**32

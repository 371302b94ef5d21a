"""Is a derived image order right?

Labels of one image, made in two epochs, agree more often than labels of two images do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.dumps.order import SeedOrder

# Enough common images for a clear answer, read from as few batches as give them.
WANTED_PAIRS = 400
# A wrong order gets past six standard deviations less than once in a million dumps.
DEVIATIONS = 6.0


@dataclass(frozen=True)
class Agreement:
    """How often two labels of what should be one image have the same top class.

    Attributes:
        pairs: pairs of labels compared.
        agreeing: pairs with the same top class.
        chance: pairs that would agree in a wrong order, from how often each class occurs.
    """

    pairs: int
    agreeing: int
    chance: float

    @property
    def holds(self) -> bool:
        """Whether the order can be trusted."""
        rate = self.chance / max(self.pairs, 1)
        spread = math.sqrt(self.chance * (1.0 - rate))
        return self.agreeing > self.chance + DEVIATIONS * spread + 3.0


def measure(order: SeedOrder, epochs: int, top1: Callable[[int], NDArray[np.int64]]) -> Agreement:
    """Compare the top classes of the first epochs.

    Args:
        order: the order to test.
        epochs: epochs in the dump, at least 2.
        top1: gives the (B,) top classes of batch i of the dump.
    """
    # m random images of N in each of two epochs have m * m / N in common.
    samples = math.sqrt(WANTED_PAIRS * order.images)
    batches = min(order.per_epoch, math.ceil(samples / order.batch_size))
    compared = 2
    while compared < epochs and compared * (compared - 1) // 2 * order.images < WANTED_PAIRS:
        compared += 1
    classes = [_by_image(order, epoch, batches, top1) for epoch in range(compared)]
    pairs = agreeing = 0
    chance = 0.0
    for one in range(len(classes)):
        for other in range(one + 1, len(classes)):
            a, b = classes[one], classes[other]
            both = (a >= 0) & (b >= 0)
            pairs += int(both.sum())
            agreeing += int((a[both] == b[both]).sum())
            chance += float(both.sum()) * _chance(a[a >= 0], b[b >= 0])
    return Agreement(pairs, agreeing, chance)


def _by_image(
    order: SeedOrder, epoch: int, batches: int, top1: Callable[[int], NDArray[np.int64]]
) -> NDArray[np.int64]:
    """(N,) top class of each image in that epoch, -1 where it was not read."""
    classes = np.full(order.images, -1, np.int64)
    for batch in range(epoch * order.per_epoch, epoch * order.per_epoch + batches):
        classes[order.indices(batch)] = top1(batch)
    return classes


def _chance(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Probability that a random entry of a equals a random entry of b."""
    width = int(max(a.max(), b.max())) + 1
    return float(
        np.bincount(a, minlength=width) / len(a) @ (np.bincount(b, minlength=width) / len(b))
    )

"""Statistical check of an image order that was derived from a seed.

Two labels of the same image from different epochs share their top class more often than labels
of two random images do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.formats.image_order import SeedOrder

# Pairs of labels to compare: enough for a clear result from few batches.
WANTED_PAIRS = 400
# A wrong order exceeds six standard deviations in less than one of a million dumps.
DEVIATIONS = 6.0


@dataclass(frozen=True)
class Agreement:
    """Agreement of the top classes of labels that should belong to the same image.

    Attributes:
        pairs: number of pairs of labels compared.
        agreeing: pairs with the same top class.
        chance: expected number of agreeing pairs under a wrong order, from the class frequencies.
    """

    pairs: int
    agreeing: int
    chance: float

    @property
    def holds(self) -> bool:
        """Whether the agreement is significantly above chance, so that the order is right."""
        rate = self.chance / max(self.pairs, 1)
        spread = math.sqrt(self.chance * (1.0 - rate))
        return self.agreeing > self.chance + DEVIATIONS * spread + 3.0


def check_order(
    order: SeedOrder, epochs: int, top1: Callable[[int], NDArray[np.int64]]
) -> Agreement:
    """Compare the top classes of each image across the first epochs.

    Args:
        order: the order to test.
        epochs: epochs in the dump, at least 2.
        top1: returns the (B,) int64 top classes of batch i of the dump.
    """
    # Two random subsets of m of N images have m * m / N images in common on average.
    samples = math.sqrt(WANTED_PAIRS * order.images)
    batches = min(order.per_epoch, math.ceil(samples / order.batch_size))
    compared = 2
    while compared < epochs and compared * (compared - 1) // 2 * order.images < WANTED_PAIRS:
        compared += 1
    classes = [_by_image(order, epoch, batches, top1) for epoch in range(compared)]
    pairs = agreeing = 0
    chance = 0.0
    for first in range(len(classes)):
        for second in range(first + 1, len(classes)):
            a, b = classes[first], classes[second]
            both = (a >= 0) & (b >= 0)
            pairs += int(both.sum())
            agreeing += int((a[both] == b[both]).sum())
            chance += float(both.sum()) * _chance(a[a >= 0], b[b >= 0])
    return Agreement(pairs, agreeing, chance)


def _by_image(
    order: SeedOrder, epoch: int, batches: int, top1: Callable[[int], NDArray[np.int64]]
) -> NDArray[np.int64]:
    """(N,) int64, top class of each image in that epoch; -1 if its batch was not read."""
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

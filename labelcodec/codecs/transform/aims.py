"""What a search makes small at a step, and the price of a peak's bits that it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from labelcodec.codecs.transform.fitting import PRICES
from labelcodec.codecs.transform.lines import crossing
from labelcodec.codecs.transform.trial import Trial

IMPOSSIBLE = 1e9  # cost from which on there is no price
BUDGETED = ("tv4", "kl1")  # what a budget makes small, where nothing else is asked


class Found(NamedTuple):
    """What is to be small at some step, and log2 of the price it takes; None: no price does."""

    cost: float
    price: float | None


def bytes_for(trial: Trial, near: float, wanted: Mapping[str, float], total: int) -> Found:
    """Bytes a label at the highest price that has the quality."""

    def miss(price: float) -> float:
        reached = trial.quality(2.0**price, wanted)
        return max(reached[key] / bound for key, bound in wanted.items()) - 1

    price = crossing(miss, *PRICES, near)
    if price is None:
        return Found(IMPOSSIBLE + miss(PRICES[0]), None)
    return Found(trial.bytes(2.0**price, total), price)


def loss_within(trial: Trial, near: float, budget: float, total: int) -> Found:
    """Product of the losses at the lowest price that keeps to the budget."""

    def excess(price: float) -> float:
        return trial.bytes(2.0**price, total) / budget - 1

    price = crossing(excess, *PRICES[::-1], near)
    if price is None:
        return Found(IMPOSSIBLE + trial.bytes(2.0 ** PRICES[1], total), None)
    return Found(loss(trial.quality(2.0**price, BUDGETED)), price)


def loss(quality: Mapping[str, float]) -> float:
    """What a budget makes small."""
    return math.prod(quality[key] for key in BUDGETED)


def fewest_bytes(trial: Trial, near: float, total: int) -> Found:
    """Bytes a label at the highest price."""
    return Found(trial.bytes(2.0 ** PRICES[1], total), PRICES[1])

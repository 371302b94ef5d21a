"""Objectives of the parameter search: cost at a given step, and the price that attains it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from labelcodec.codecs.transform.fit.line_search import crossing
from labelcodec.codecs.transform.fit.rd_eval import Trial
from labelcodec.codecs.transform.fit.table_fit import PRICES

IMPOSSIBLE = 1e9  # costs from here on mean that no price is feasible
MINIMISED = ("tv4", "kl1")  # measures that are minimised under a budget


class Optimum(NamedTuple):
    """Least cost at one step.

    Attributes:
        cost: what the search minimises.
        price: log2 of the price of a peak's bits that attains it; None if no price is feasible.
    """

    cost: float
    price: float | None


def bytes_for(trial: Trial, near: float, bounds: Mapping[str, float], total: int) -> Optimum:
    """Bytes per label at the highest price that meets the quality bounds.

    Args:
        trial: labels quantised at the step.
        near: log2 of the price to try first.
        bounds: measure ('tv4', 'kl1', …) -> largest mean.
        total: labels that share the side information.
    """

    def miss(price: float) -> float:
        reached = trial.quality(2.0**price, bounds)
        return max(reached[key] / bound for key, bound in bounds.items()) - 1

    price = crossing(miss, *PRICES, near)
    if price is None:
        return Optimum(IMPOSSIBLE + miss(PRICES[0]), None)
    return Optimum(trial.bytes(2.0**price, total), price)


def loss_within(trial: Trial, near: float, budget: float, total: int) -> Optimum:
    """Loss at the lowest price that keeps within the budget.

    Args:
        trial: labels quantised at the step.
        near: log2 of the price to try first.
        budget: bytes per label.
        total: labels that share the side information.
    """
    price = price_within(trial, near, budget, total)
    if price is None:
        return Optimum(IMPOSSIBLE + trial.bytes(2.0 ** PRICES[1], total), None)
    return Optimum(loss(trial.quality(2.0**price, MINIMISED)), price)


def price_within(trial: Trial, near: float, budget: float, total: int) -> float | None:
    """log2 of the lowest price that keeps within the budget; arguments as of `loss_within`."""

    def excess(price: float) -> float:
        return trial.bytes(2.0**price, total) / budget - 1

    return crossing(excess, *PRICES[::-1], near)


def loss(quality: Mapping[str, float]) -> float:
    """What is minimised under a budget: the product of the mean tv4 and kl1."""
    return math.prod(quality[key] for key in MINIMISED)


def fewest_bytes(trial: Trial, near: float, total: int) -> Optimum:
    """Bytes per label at the highest price.

    Args:
        trial: labels quantised at the step.
        near: log2 of a price; ignored.
        total: labels that share the side information.
    """
    return Optimum(trial.bytes(2.0 ** PRICES[1], total), PRICES[1])

"""Choosing rank, step and peaks for a budget or a quality.

Two numbers are searched: the step, which decides the rank (an axis is kept while its variance is
worth a step), and the price of a peak's bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.design import Design
from labelcodec.codecs.transform.fitting import (
    PRICES,
    Scatter,
    Subspace,
    designed,
    finish,
    fit_along,
    fit_subspace,
)
from labelcodec.codecs.transform.frame import most_rank
from labelcodec.codecs.transform.reached import Reached
from labelcodec.codecs.transform.sample import Sample
from labelcodec.codecs.transform.trial import CHECK, SAMPLE, Trial, cheapest, reached
from labelcodec.errors import DataError

AXIS_WORTH = 0.17  # variance of the last axis kept, in squared steps
FIRST_RANK, MORE_RANK = 96, 4  # axes fitted at first, and how many times more when they run out
MAX_SEARCHED_RANK = 512
PRICE_TRIALS = 7
TOLERANCE = 0.004
STEPS = (-3.0, 4.0)  # log2 of the range searched, against the labels' deviation
STEP_TRIALS = 8
TYPICAL_STEP, TYPICAL_PRICE = 1.0, 2.0**-9.5  # at which predictions must pay
REFINED_TRIALS = 4
REFINED = 0.3
ROUNDS = 4
IMPOSSIBLE = 1e9  # cost from which on there is no price
GOLDEN = (5**0.5 - 1) / 2
BUDGETED = ("tv4", "kl1")  # what a budget makes small, where nothing else is asked


@dataclass(frozen=True)
class Goal:
    """What is asked for: a budget, qualities, or both.

    Attributes:
        bytes: of a label, its share of the side information included; None for any.
        quality: measure ('tv4', 'kl1', ...) -> largest mean.
    """

    bytes: float | None
    quality: Mapping[str, float]


def search(sample: Sample, goal: Goal, total: int) -> TransformCoder:
    """The coder of fewest bytes that has the quality, or of the best quality in the budget.

    Args:
        sample: labels.
        goal: what to reach.
        total: labels of the file, which share the side information.

    Raises:
        DataError: it cannot be reached, and the message says what can; or the labels do not
            differ.
    """
    designs = _Designs(sample, total)
    if goal.quality:
        coder, found = _reach(designs, goal.quality)
        if goal.bytes is not None and found.bytes > goal.bytes:
            asked = _text(goal.quality)
            raise DataError(
                f"transform: {asked} takes {found.bytes:.1f} bytes a label where {total} labels "
                f"share the side information, more than bytes={goal.bytes:g}"
            )
    else:
        coder, found = _spend(designs, goal.bytes or 0.0)
    return replace(coder, reached=found)


class _Designs:
    """Designs by step; axes are fitted as they are needed."""

    def __init__(self, sample: Sample, total: int) -> None:
        self.sample, self.total = sample, total
        self.scatter = Scatter(sample.centred)
        self.most = min(len(sample), most_rank(sample.centred.shape[1]), MAX_SEARCHED_RANK)
        self._fit(min(FIRST_RANK, self.most))
        self.predicts = self._prediction_pays()

    def __call__(self, log_step: float) -> Design:
        """The design of a step of 2^log_step deviations of the labels."""
        step = self.space.deviation * 2.0**log_step
        rank = self._rank(step)
        while rank == len(self.space.variance) < self.most:
            wanted = min(MORE_RANK * rank, self.most)
            self._fit(wanted)
            if len(self.space.variance) < wanted:
                self.most = len(self.space.variance)
            rank = self._rank(step)
        images = self.images if self.predicts else None
        return designed(self.space, images, max(rank, 1), step, self.total)

    def _fit(self, rank: int) -> None:
        self.space: Subspace = fit_subspace(self.scatter, rank)
        self.images = fit_along(self.space, self.sample)

    def _rank(self, step: float) -> int:
        return int((self.space.variance >= AXIS_WORTH * step**2).sum())

    def _prediction_pays(self) -> bool:
        if self.images is None:
            return False
        step = self.space.deviation * 2.0**TYPICAL_STEP
        plain, predicted = (
            designed(self.space, images, max(self._rank(step), 1), step, self.total)
            for images in (None, self.images)
        )
        few = self.sample.at_once(SAMPLE)
        return cheapest((plain, predicted), few, TYPICAL_PRICE, self.total) is predicted


def _reach(designs: _Designs, quality: Mapping[str, float]) -> tuple[TransformCoder, Reached]:
    """The coder of fewest bytes that has the quality on many labels."""
    sample, check = designs.sample.at_once(SAMPLE), designs.sample.spread(CHECK)
    wanted, steps, trials = dict(quality), STEPS, STEP_TRIALS
    for _ in range(ROUNDS):
        step, found = _golden(partial(_bytes_for, designs, sample, wanted), steps, trials)
        if found.price is None:
            break
        coder = finish(designs(step), designs.sample, found.price)
        on_many = reached(coder, check, designs.total)
        if all(on_many.quality[key] <= bound for key, bound in quality.items()):
            return coder, on_many
        # the sample flatters: ask more of it by as much
        wanted = {k: wanted[k] * min(0.998 * quality[k] / on_many.quality[k], 1) for k in wanted}
        steps, trials = (step - REFINED, step + REFINED), REFINED_TRIALS
    coder = finish(designs(STEPS[0]), designs.sample, 2.0 ** PRICES[0])
    finest = reached(coder, check, designs.total)
    if all(finest.quality[key] <= bound for key, bound in quality.items()):
        return coder, finest
    can = {key: max(1.001 * finest.quality[key], bound) for key, bound in quality.items()}
    raise DataError(f"transform: cannot reach {_text(quality)}; {_text(can)} can be")


def _spend(designs: _Designs, budget: float) -> tuple[TransformCoder, Reached]:
    """The coder that makes the most of a budget."""
    sample, check = designs.sample.at_once(SAMPLE), designs.sample.spread(CHECK)
    wanted, steps, trials = budget, STEPS, STEP_TRIALS
    for _ in range(ROUNDS):
        step, found = _golden(partial(_loss_within, designs, sample, wanted), steps, trials)
        if found.price is None:
            break
        coder = finish(designs(step), designs.sample, found.price)
        on_many = reached(coder, check, designs.total)
        if on_many.bytes <= budget:
            return coder, on_many
        wanted *= 0.998 * budget / on_many.bytes
        steps, trials = (step - REFINED, step + REFINED), REFINED_TRIALS
    step, _ = _golden(partial(_fewest_bytes, designs, sample), STEPS, STEP_TRIALS)
    coder = finish(designs(step), designs.sample, 2.0 ** PRICES[1])
    fewest = reached(coder, check, designs.total)
    if fewest.bytes <= budget:
        return coder, fewest
    raise DataError(
        f"transform: bytes={budget:g} cannot be met where {designs.total} labels share the side "
        f"information; bytes={math.ceil(10 * fewest.bytes) / 10} can"
    )


class _Found(NamedTuple):
    """What is to be small at some step, and the price it takes; no price where there is none."""

    cost: float
    price: float | None


def _bytes_for(
    designs: _Designs, sample: Sample, wanted: Mapping[str, float], step: float
) -> _Found:
    """Bytes a label at the highest price that has the quality."""
    trial = Trial(designs(step), sample)

    def miss(price: float) -> float:
        reached = trial.quality(price, wanted)
        return max(reached[key] / bound for key, bound in wanted.items()) - 1

    price = _crossing(miss, *PRICES)
    if price is None:
        return _Found(IMPOSSIBLE + miss(2.0 ** PRICES[0]), None)
    return _Found(trial.bytes(price, designs.total), price)


def _loss_within(designs: _Designs, sample: Sample, budget: float, step: float) -> _Found:
    """Product of the losses at the lowest price that keeps to the budget."""
    trial = Trial(designs(step), sample)
    price = _crossing(lambda price: trial.bytes(price, designs.total) / budget - 1, *PRICES[::-1])
    if price is None:
        return _Found(IMPOSSIBLE + trial.bytes(2.0 ** PRICES[1], designs.total), None)
    return _Found(float(np.prod(list(trial.quality(price, BUDGETED).values()))), price)


def _fewest_bytes(designs: _Designs, sample: Sample, step: float) -> _Found:
    """Bytes a label at the highest price."""
    price = 2.0 ** PRICES[1]
    return _Found(Trial(designs(step), sample).bytes(price, designs.total), price)


def _crossing(excess: Callable[[float], float], good: float, bad: float) -> float | None:
    """A price near the last one, on the way from good to bad, with an excess of at most 0.

    Args:
        excess: monotone in the price.
        good: log2 of the price where the excess is least; None when even that is above 0.
        bad: log2 of the price where it is most.
    """
    below, above = excess(2.0**good), excess(2.0**bad)
    if below > 0:
        return None
    if above <= 0:
        return float(2.0**bad)
    for _ in range(PRICE_TRIALS):
        share = min(max(below / (below - above), 0.1), 0.9)  # regula falsi, kept from the ends
        middle = good + share * (bad - good)
        found = excess(2.0**middle)
        if found > 0:
            bad, above, below = middle, found, below / 2
        else:
            good, below, above = middle, found, above / 2
        if -TOLERANCE < found <= 0:
            break
    return float(2.0**good)


def _golden(
    evaluate: Callable[[float], _Found], bounds: tuple[float, float], trials: int
) -> tuple[float, _Found]:
    """Where the cost is smallest, by golden-section search."""
    low, high = bounds
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at = {left: evaluate(left), right: evaluate(right)}
    for _ in range(trials - 2):
        if at[left].cost <= at[right].cost:
            high, right = right, left
            left = high - GOLDEN * (high - low)
            at[left] = evaluate(left)
        else:
            low, left = left, right
            right = low + GOLDEN * (high - low)
            at[right] = evaluate(right)
    return min(at.items(), key=lambda entry: entry[1].cost)


def _text(quality: Mapping[str, float]) -> str:
    return ",".join(f"{key}={value:.4g}" for key, value in quality.items())

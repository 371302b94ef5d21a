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
from labelcodec.codecs.transform.lines import crossing, minimum
from labelcodec.codecs.transform.reached import Reached
from labelcodec.codecs.transform.sample import Samples
from labelcodec.codecs.transform.trial import (
    CHECK,
    SAMPLE,
    Trial,
    Truth,
    cheapest,
    reached,
    saturates,
)
from labelcodec.errors import DataError

AXIS_WORTH = 0.17  # variance of the last axis kept, in squared steps
FIRST_RANK, MORE_RANK = 96, 4  # axes fitted at first, and how many times more when they run out
STEPS = (-6.0, 4.0)  # log2 of the range searched, against the labels' deviation
TYPICAL_STEP, TYPICAL_PRICE = 1.0, 2.0**-9.5  # at which predictions must pay
START, STRIDE, TRIALS = 1.2, 0.6, 5
USUAL_PRICE = -9.0  # log2
FINER = 0.1
ROUNDS = 5
FEW = 64  # labels that show whether a step is too fine
SPENT = 0.99  # of a budget: enough
IMPOSSIBLE = 1e9  # cost from which on there is no price
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


def search(samples: Samples, goal: Goal) -> TransformCoder:
    """The coder of fewest bytes that has the quality, or of the best quality in the budget.

    Args:
        samples: labels.
        goal: what to reach.

    Raises:
        DataError: it cannot be reached, and the message says what can; or the labels do not
            differ.
    """
    designs = _Designs(samples)
    if goal.quality:
        coder, found = _reach(designs, goal.quality)
        if goal.bytes is not None and found.bytes > goal.bytes:
            asked = _text(goal.quality)
            raise DataError(
                f"transform: {asked} takes {found.bytes:.1f} bytes a label where {samples.total} "
                f"labels share the side information, more than bytes={goal.bytes:g}"
            )
    else:
        assert goal.bytes is not None
        coder, found = _spend(designs, goal.bytes)
    return replace(coder, reached=found)


class _Designs:
    """Designs by step; axes are fitted as they are needed."""

    def __init__(self, samples: Samples) -> None:
        self.samples, self.tried, self.total = samples, samples.tried, samples.total
        self.scatter = Scatter(samples.fitted.centred)
        self.most = min(len(samples.fitted), most_rank(samples.fitted.centred.shape[1]))
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
        for images in (self.images if self.predicts else None, None):
            design = designed(self.space, images, max(rank, 1), step, self.total)
            if not saturates(design, self.tried.at_once(FEW)):
                return design
        raise DataError("transform: a step too fine for these labels")

    def finest(self) -> Design:
        """The design of the finest step that there can be.

        Raises:
            DataError: no step will do.
        """
        step = STEPS[0]
        while True:
            try:
                return self(step)
            except DataError:
                step += 1
                if step > STEPS[1]:
                    raise

    def _fit(self, rank: int) -> None:
        self.space: Subspace = fit_subspace(self.scatter, rank)
        self.images = fit_along(self.space, self.samples.fitted)

    def _rank(self, step: float) -> int:
        return int((self.space.variance >= AXIS_WORTH * step**2).sum())

    def _prediction_pays(self) -> bool:
        if self.images is None:
            return False
        step = self.space.deviation * 2.0**TYPICAL_STEP
        try:
            plain, predicted = (
                designed(self.space, images, max(self._rank(step), 1), step, self.total)
                for images in (None, self.images)
            )
        except DataError:  # too coarse a step for these labels
            return False
        few = self.tried.at_once(SAMPLE)
        return cheapest((plain, predicted), few, TYPICAL_PRICE, self.total) is predicted


def _reach(designs: _Designs, quality: Mapping[str, float]) -> tuple[TransformCoder, Reached]:
    """The coder of fewest bytes that has the quality on many labels."""
    many = Truth(designs.tried.at_once(CHECK))
    wanted = dict(quality)
    step, found = _best_step(designs, partial(_bytes_for, wanted=quality, total=designs.total))
    for _ in range(ROUNDS):
        if found.price is None:
            break
        trial = Trial(designs(step), many)
        found = _bytes_for(trial, found.price, wanted=wanted, total=designs.total)
        if found.price is None:  # the sample flattered
            step, found = step - FINER, found._replace(price=PRICES[0])
            continue
        coder = finish(designs(step), designs.samples.all, 2.0**found.price)
        on_many = reached(coder, designs.samples)
        if all(on_many.quality[key] <= bound for key, bound in quality.items()):
            return coder, on_many
        wanted = {k: wanted[k] * min(0.999 * quality[k] / on_many.quality[k], 1) for k in wanted}
    coder = finish(designs.finest(), designs.samples.all, 2.0 ** PRICES[0])
    finest = reached(coder, designs.samples)
    if all(finest.quality[key] <= bound for key, bound in quality.items()):
        return coder, finest
    can = {key: max(1.001 * finest.quality[key], bound) for key, bound in quality.items()}
    raise DataError(
        f"transform: cannot reach {_text(quality)}; {_text(can)} can be, as far as was searched"
    )


def _spend(designs: _Designs, budget: float) -> tuple[TransformCoder, Reached]:
    """The coder that makes the most of a budget."""
    many = Truth(designs.tried.at_once(CHECK))
    wanted, best = budget, None
    step, found = _best_step(designs, partial(_loss_within, budget=budget, total=designs.total))
    trial = Trial(designs(step), many)
    for _ in range(ROUNDS):
        if found.price is not None:
            found = _loss_within(trial, found.price, budget=wanted, total=designs.total)
        if found.price is None:
            break
        coder = finish(designs(step), designs.samples.all, 2.0**found.price)
        on_many = reached(coder, designs.samples)
        if on_many.bytes <= budget:
            best = coder, on_many
            if on_many.bytes >= SPENT * budget:
                break
        wanted *= 0.998 * budget / on_many.bytes
    if best is not None:
        return best
    step, _ = _best_step(designs, partial(_fewest_bytes, total=designs.total))
    coder = finish(designs(step), designs.samples.all, 2.0 ** PRICES[1])
    fewest = reached(coder, designs.samples)
    if fewest.bytes <= budget:
        return coder, fewest
    raise DataError(
        f"transform: bytes={budget:g} cannot be met where {designs.total} labels share the side "
        f"information; bytes={math.ceil(10 * fewest.bytes) / 10} can"
    )


class _Found(NamedTuple):
    """What is to be small at some step, and log2 of the price it takes; None: no price does."""

    cost: float
    price: float | None


def _best_step(designs: _Designs, aim: Callable[[Trial, float], _Found]) -> tuple[float, _Found]:
    """The step of least cost on a few labels; aim tells it, given a trial and a price to try."""
    few, at, near = Truth(designs.tried.at_once(SAMPLE)), {}, USUAL_PRICE

    def cost(step: float) -> float:
        nonlocal near
        try:
            at[step] = aim(Trial(designs(step), few), near)
        except DataError:  # too coarse for these labels
            at[step] = _Found(2 * IMPOSSIBLE, None)
        near = at[step].price or near
        return at[step].cost

    step = minimum(cost, START, STRIDE, STEPS, TRIALS)
    return step, at[step]


def _bytes_for(trial: Trial, near: float, wanted: Mapping[str, float], total: int) -> _Found:
    """Bytes a label at the highest price that has the quality."""

    def miss(price: float) -> float:
        reached = trial.quality(2.0**price, wanted)
        return max(reached[key] / bound for key, bound in wanted.items()) - 1

    price = crossing(miss, *PRICES, near)
    if price is None:
        return _Found(IMPOSSIBLE + miss(PRICES[0]), None)
    return _Found(trial.bytes(2.0**price, total), price)


def _loss_within(trial: Trial, near: float, budget: float, total: int) -> _Found:
    """Product of the losses at the lowest price that keeps to the budget."""

    def excess(price: float) -> float:
        return trial.bytes(2.0**price, total) / budget - 1

    price = crossing(excess, *PRICES[::-1], near)
    if price is None:
        return _Found(IMPOSSIBLE + trial.bytes(2.0 ** PRICES[1], total), None)
    return _Found(float(np.prod(list(trial.quality(2.0**price, BUDGETED).values()))), price)


def _fewest_bytes(trial: Trial, near: float, total: int) -> _Found:
    """Bytes a label at the highest price."""
    return _Found(trial.bytes(2.0 ** PRICES[1], total), PRICES[1])


def _text(quality: Mapping[str, float]) -> str:
    return ",".join(f"{key}={value:.4g}" for key, value in quality.items())

"""Choosing rank, step and peaks for a budget or a quality.

Two numbers are searched: the step, which decides the rank (an axis is kept while its variance is
worth a step), and the price of a peak's bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.fitting import (
    PRICES,
    Scatter,
    Subspace,
    finish,
    fit_frame,
    fit_subspace,
    spread,
)
from labelcodec.codecs.transform.frame import Frame
from labelcodec.codecs.transform.lines import crossing, minimum
from labelcodec.codecs.transform.trial import Trial, Truth, reached_quality, stored_bytes
from labelcodec.errors import ConfigError, DataError

AXIS_WORTH = 0.17  # variance of the last axis kept, in squared steps
FIRST_RANK, MORE_RANK = 96, 4  # axes fitted at first, and how many times more when they run out
MAX_SEARCHED_RANK = 512
SAMPLE = 512
CHECK = 4096  # labels on which a choice is checked
STEPS = (-3.0, 4.0)  # log2 of the range searched, against the labels' deviation
START, STRIDE, TRIALS = 1.75, 0.6, 3
USUAL_PRICE = -9.0  # log2
FINER = 0.1
ROUNDS = 5
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


def search(centred: NDArray[np.float32], goal: Goal, total: int) -> TransformCoder:
    """The coder of fewest bytes that has the quality, or of the best quality in the budget.

    Args:
        centred: (N, C) labels less their own mean.
        goal: what to reach.
        total: labels of the file, which share the side information.

    Raises:
        ConfigError: it cannot be reached; the message says what can.
        DataError: the labels do not differ.
    """
    frames = _Frames(centred, total)
    if goal.quality:
        coder, spent = _reach(frames, goal.quality)
        if goal.bytes is not None and spent > goal.bytes:
            asked = _text(goal.quality)
            raise ConfigError(
                f"transform: {asked} takes {spent:.1f} bytes a label where {total} labels share "
                f"the side information, more than bytes={goal.bytes:g}"
            )
        return coder
    return _spend(frames, goal.bytes or 0.0)


class _Frames:
    """Frames by step; axes are fitted as they are needed."""

    def __init__(self, centred: NDArray[np.float32], total: int) -> None:
        self.centred, self.total = centred, total
        self.scatter = Scatter(centred)
        self.most = min(*centred.shape, MAX_SEARCHED_RANK)
        self.space: Subspace = fit_subspace(self.scatter, min(FIRST_RANK, self.most))

    def __call__(self, log_step: float) -> Frame:
        """The frame of a step of 2^log_step deviations of the labels."""
        step = self.space.deviation * 2.0**log_step
        rank = self._rank(step)
        while rank == len(self.space.variance) < self.most:
            wanted = min(MORE_RANK * rank, self.most)
            self.space = fit_subspace(self.scatter, wanted)
            if len(self.space.variance) < wanted:
                self.most = len(self.space.variance)
            rank = self._rank(step)
        return fit_frame(self.space, max(rank, 1), step, self.total)

    def _rank(self, step: float) -> int:
        return int((self.space.variance >= AXIS_WORTH * step**2).sum())


def _reach(frames: _Frames, quality: Mapping[str, float]) -> tuple[TransformCoder, float]:
    """The coder of fewest bytes that has the quality on many labels, and its bytes."""
    check, wanted = Truth(spread(frames.centred, CHECK)), dict(quality)
    step, found = _best_step(frames, partial(_bytes_for, wanted=quality, total=frames.total))
    for _ in range(ROUNDS):
        if found.price is None:
            break
        trial = Trial(frames(step), check)
        found = _bytes_for(trial, found.price, wanted=wanted, total=frames.total)
        if found.price is None:  # the sample flattered
            step, found = step - FINER, found._replace(price=PRICES[0])
            continue
        coder = finish(frames(step), frames.centred, 2.0**found.price)
        reached = reached_quality(coder, check, quality)
        if all(reached[key] <= bound for key, bound in quality.items()):
            return coder, stored_bytes(coder, check.logits, frames.total)
        wanted = {k: wanted[k] * min(0.999 * quality[k] / reached[k], 1) for k in wanted}
    finest = Trial(frames(STEPS[0]), check).quality(2.0 ** PRICES[0], quality)
    raise ConfigError(f"transform: cannot reach {_text(quality)}; {_text(finest)} can be")


def _spend(frames: _Frames, budget: float) -> TransformCoder:
    """The coder that makes the most of a budget."""
    check, wanted = Truth(spread(frames.centred, CHECK)), budget
    best: TransformCoder | None = None
    step, found = _best_step(frames, partial(_loss_within, budget=budget, total=frames.total))
    trial = Trial(frames(step), check)
    for _ in range(ROUNDS):
        if found.price is not None:
            found = _loss_within(trial, found.price, budget=wanted, total=frames.total)
        if found.price is None:
            fewest = (found.cost - IMPOSSIBLE) * budget / wanted
            break
        coder = finish(frames(step), frames.centred, 2.0**found.price)
        fewest = stored_bytes(coder, check.logits, frames.total)
        if fewest <= budget:
            best = coder
            if fewest >= SPENT * budget:
                break
        wanted *= 0.998 * budget / fewest
    if best is not None:
        return best
    raise ConfigError(
        f"transform: bytes={budget:g} cannot be met where {frames.total} labels share the side "
        f"information; bytes={fewest:.1f} can"
    )


class _Found(NamedTuple):
    """What is to be small at some step, and log2 of the price it takes; None: no price does."""

    cost: float
    price: float | None


def _best_step(frames: _Frames, aim: Callable[[Trial, float], _Found]) -> tuple[float, _Found]:
    """The step of least cost on a few labels; aim tells it, given a trial and a price to try."""
    sample, at, near = Truth(spread(frames.centred, SAMPLE)), {}, USUAL_PRICE

    def cost(step: float) -> float:
        nonlocal near
        try:
            at[step] = aim(Trial(frames(step), sample), near)
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


def _text(quality: Mapping[str, float]) -> str:
    return ",".join(f"{key}={value:.4g}" for key, value in quality.items())

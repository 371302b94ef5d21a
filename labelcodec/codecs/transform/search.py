"""Choosing rank, step and peaks for a budget or a quality.

Two numbers are searched: the step, which decides the rank (an axis is kept while its variance is
worth a step), and the price of a peak's bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from labelcodec.codecs.transform.aims import (
    IMPOSSIBLE,
    Found,
    bytes_for,
    fewest_bytes,
    loss,
    loss_within,
)
from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.designs import STEPS, Designs
from labelcodec.codecs.transform.fitting import PRICES, finish
from labelcodec.codecs.transform.lines import minimum
from labelcodec.codecs.transform.reached import Reached
from labelcodec.codecs.transform.sample import Samples
from labelcodec.codecs.transform.trial import (
    CHECK,
    SAMPLE,
    Trial,
    Truth,
    reached,
)
from labelcodec.errors import DataError

START, STRIDE, TRIALS = 1.2, 0.6, 7
USUAL_PRICE = -9.0  # log2
FINER = 0.1
ROUNDS = 8
MARGIN = 0.001  # below what is asked, twice as wide in every round
SPENT = 0.99  # of a budget: enough
FRAMES = 16  # bytes of a batch beside its symbols, about
LEAST = 0.1  # of a budget: for symbols


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
    designs = Designs(samples)
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


def _reach(designs: Designs, quality: Mapping[str, float]) -> tuple[TransformCoder, Reached]:
    """The coder of fewest bytes that has the quality on many labels."""
    trials, wanted = _trials(designs), dict(quality)
    step, found = _best_step(designs, partial(bytes_for, wanted=quality, total=designs.total))
    for turn in range(ROUNDS):
        if found.price is None:
            break
        trial = trials(step)
        found = bytes_for(trial, found.price, wanted=wanted, total=designs.total)
        if found.price is None:  # the sample flattered
            step, found = step - FINER, found._replace(price=PRICES[0])
            continue
        coder = finish(trial.design, designs.samples.all, 2.0**found.price)
        on_many = reached(coder, designs.samples)
        if all(on_many.quality[key] <= bound for key, bound in quality.items()):
            return coder, on_many
        told, margin = trial.quality(2.0**found.price, quality), 1 - MARGIN * 2**turn
        wanted = {
            key: min(margin * told[key] * bound / on_many.quality[key], bound)
            for key, bound in quality.items()
        }
    coder = finish(designs.finest(), designs.samples.all, 2.0 ** PRICES[0])
    finest = reached(coder, designs.samples)
    if all(finest.quality[key] <= bound for key, bound in quality.items()):
        return coder, finest
    can = {key: max(1.001 * finest.quality[key], bound) for key, bound in quality.items()}
    raise DataError(
        f"transform: cannot reach {_text(quality)}; {_text(can)} can be, as far as was searched"
    )


def _spend(designs: Designs, budget: float) -> tuple[TransformCoder, Reached]:
    """The coder that makes the most of a budget."""
    trials = _trials(designs)
    wanted = max(budget - FRAMES / designs.samples.batch, LEAST * budget)
    best, least = None, math.inf
    step, found = _best_step(designs, partial(loss_within, budget=wanted, total=designs.total))
    between = _Between()
    for turn in range(ROUNDS):
        try:
            trial = trials(step)
        except DataError:  # too coarse or too fine for these labels
            break
        near = PRICES[1] if found.price is None else found.price
        found = loss_within(trial, near, budget=wanted, total=designs.total)
        if found.price is None:  # the sample flattered
            step = between.coarser(step, FINER * 2**turn)
            continue
        coder = finish(trial.design, designs.samples.all, 2.0**found.price)
        on_many = reached(coder, designs.samples)
        if on_many.bytes <= budget:
            if loss(on_many.quality) < least:
                best, least = (coder, on_many), loss(on_many.quality)
            if on_many.bytes >= SPENT * budget or step == STEPS[0]:
                break
            if found.price == PRICES[0]:  # no more peaks to be had
                step = between.finer(step, STRIDE * 2**turn)
                continue
        if found.price == PRICES[0]:  # that took less than was wanted
            wanted = min(wanted, trial.bytes(2.0**found.price, designs.total))
        wanted = max(wanted + 0.998 * budget - on_many.bytes, LEAST * budget)
    if best is not None:
        return best
    step, _ = _best_step(designs, partial(fewest_bytes, total=designs.total))
    coder = finish(designs(step), designs.samples.all, 2.0 ** PRICES[1])
    fewest = reached(coder, designs.samples)
    if fewest.bytes <= budget:
        return coder, fewest
    raise DataError(
        f"transform: bytes={budget:g} cannot be met where {designs.total} labels share the side "
        f"information; bytes={math.ceil(10 * fewest.bytes) / 10} can"
    )


def _trials(designs: Designs) -> Callable[[float], Trial]:
    """Trials by step, on many labels; the last one is kept."""
    many = Truth(designs.tried.at_once(CHECK))
    return lru_cache(maxsize=1)(lambda step: Trial(designs(step), many))


class _Between:
    """Steps that take too much and steps that leave some unspent, and the way between them."""

    def __init__(self) -> None:
        self.fine, self.coarse = -math.inf, math.inf

    def coarser(self, step: float, stride: float) -> float:
        """Where to go on from a step that takes too much."""
        self.fine = step
        return min(step + stride, STEPS[1]) if math.isinf(self.coarse) else self._amid()

    def finer(self, step: float, stride: float) -> float:
        """Where to go on from a step that leaves some unspent."""
        self.coarse = step
        return max(step - stride, STEPS[0]) if math.isinf(self.fine) else self._amid()

    def _amid(self) -> float:
        return (self.fine + self.coarse) / 2


def _best_step(designs: Designs, aim: Callable[[Trial, float], Found]) -> tuple[float, Found]:
    """The step of least cost on a few labels; aim tells it, given a trial and a price to try."""
    few, at, near = Truth(designs.tried.at_once(SAMPLE)), {}, USUAL_PRICE

    def cost(step: float) -> float:
        nonlocal near
        try:
            at[step] = aim(Trial(designs(step), few), near)
        except DataError:  # too coarse or too fine for these labels
            at[step] = Found(2 * IMPOSSIBLE, None)
        near = at[step].price or near
        return at[step].cost

    step = minimum(cost, START, STRIDE, STEPS, TRIALS)
    return step, at[step]


def _text(quality: Mapping[str, float]) -> str:
    return ",".join(f"{key}={value:.4g}" for key, value in quality.items())

"""Parameter search of the transform codec: rank, step and peaks for a budget or quality bounds.

Two numbers are searched: the quantisation step, which also determines the rank (an axis is kept
if its variance is large enough in squared steps), and the price of a peak's bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import NamedTuple

from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.fit.candidates import STEPS, Candidates
from labelcodec.codecs.transform.fit.line_search import minimum
from labelcodec.codecs.transform.fit.objective import (
    IMPOSSIBLE,
    Optimum,
    bytes_for,
    fewest_bytes,
    loss,
    loss_within,
    price_within,
)
from labelcodec.codecs.transform.fit.rd_eval import (
    CHECK,
    SAMPLE,
    Measurement,
    Reference,
    Trial,
    measure_rd,
)
from labelcodec.codecs.transform.fit.sample import Sample, Samples
from labelcodec.codecs.transform.fit.table_fit import PRICES, Fitted, fit_coder
from labelcodec.codecs.transform.rd_report import RDReport
from labelcodec.entropy.coding import lanes_for
from labelcodec.errors import DataError
from labelcodec.wording import counted

STRIDE, TRIALS = 0.4, 1  # of the search for the best step under a budget
STEP, PRICE = 1.40, -11.4  # where it begins under a budget of sqrt(classes) bytes; log2
FINER_BY, CHEAPER_BY = 0.62, 2.0  # and what is taken off for a doubled budget
FINER = 0.1  # change of log2 step where a small sample was too optimistic
ROUNDS = 8
MARGIN = 0.001  # relative margin below a bound, doubled in every round
SPENT = 0.99  # share of a budget that is close enough to it
BATCH_OVERHEAD = 16  # approximate bytes of a batch beside its symbols
LANE_OVERHEAD = 3  # and of each further rANS lane of its coefficients
LEAST = 0.1  # least share of a budget that is left for symbols


@dataclass(frozen=True)
class Goal:
    """Target of the search: a budget, quality bounds, or both.

    Attributes:
        bytes: most bytes per label, its share of the side information included; None for no limit.
        quality: measure ('tv4', 'kl1', …) -> largest mean.
    """

    bytes: float | None
    quality: Mapping[str, float]


def search(samples: Samples, goal: Goal) -> TransformCoder:
    """Find the coder of fewest bytes within the bounds, or the best one within the budget.

    Args:
        samples: the labels to fit to.
        goal: the target.

    Raises:
        DataError: the target cannot be reached (the message names one that can), or the labels do
            not differ.
    """
    candidates = Candidates(samples)
    if goal.quality:
        coder, report = _reach(candidates, goal.quality)
        if goal.bytes is not None and report.bytes > goal.bytes:
            bounds = _text(goal.quality)
            raise DataError(
                f"transform: {bounds} takes {report.bytes:.1f} bytes per label where "
                f"{counted(samples.total, 'label')} share the side information, more than "
                f"bytes={goal.bytes:g}"
            )
    else:
        assert goal.bytes is not None
        coder, report = _spend(candidates, goal.bytes)
    return replace(coder, reached=report)


def _reach(candidates: Candidates, quality: Mapping[str, float]) -> tuple[TransformCoder, RDReport]:
    """The coder of fewest bytes that meets the quality bounds on many labels."""
    trials, targets = _trials(candidates), dict(quality)
    step, optimum = _best_step(
        candidates, partial(bytes_for, bounds=quality, total=candidates.total), USUAL
    )
    for turn in range(ROUNDS):
        if optimum.price is None:
            break
        trial = trials(step)
        optimum = bytes_for(trial, optimum.price, bounds=targets, total=candidates.total)
        if optimum.price is None:  # the small sample was too optimistic
            step, optimum = step - FINER, optimum._replace(price=PRICES[0])
            continue
        fitted = _fitted(trial, candidates.samples, 2.0**optimum.price)
        report = measure_rd(fitted, candidates.samples)
        if all(report.quality[key] <= bound for key, bound in quality.items()):
            return fitted.coder, report
        told, margin = trial.quality(2.0**optimum.price, quality), 1 - MARGIN * 2**turn
        targets = {
            key: min(margin * told[key] * bound / report.quality[key], bound)
            for key, bound in quality.items()
        }
    fitted = fit_coder(candidates.finest(), candidates.samples.all, 2.0 ** PRICES[0])
    finest = measure_rd(fitted, candidates.samples)
    if all(finest.quality[key] <= bound for key, bound in quality.items()):
        return fitted.coder, finest
    reachable = {key: max(1.001 * finest.quality[key], bound) for key, bound in quality.items()}
    raise DataError(
        f"transform: cannot reach {_text(quality)}; "
        f"{_text(reachable)} can be, as far as was searched"
    )


def _spend(candidates: Candidates, budget: float) -> tuple[TransformCoder, RDReport]:
    """The coder of least loss within a budget of bytes per label."""
    trials, samples = _trials(candidates), candidates.samples
    measurements = lru_cache(maxsize=1)(
        lambda step, price: Measurement(_fitted(trials(step), samples, 2.0**price), samples)
    )
    batch = samples.batch
    allowed = max(budget - BATCH_OVERHEAD / batch, LEAST * budget)
    best, least = None, math.inf
    aim = partial(loss_within, budget=allowed, total=candidates.total)
    step, optimum = _best_step(candidates, aim, _start(budget, samples.all))
    price, between = optimum.price, _Between()
    for turn in range(ROUNDS):
        try:
            trial = trials(step)
        except DataError:  # too coarse or too fine for these labels
            break
        if not turn:
            lanes = lanes_for(batch * trial.candidate.basis.rank)
            allowed = max(allowed - LANE_OVERHEAD * (lanes - 1) / batch, LEAST * budget)
        near = PRICES[1] if price is None else price
        price = price_within(trial, near, budget=allowed, total=candidates.total)
        if price is None:  # the small sample was too optimistic
            step = between.coarser(step, FINER * 2**turn)
            continue
        measured = measurements(step, price)
        if measured.bytes <= budget:
            report = measured.report()
            if loss(report.quality) < least:
                best, least = (measured.coder, report), loss(report.quality)
            if report.bytes >= SPENT * budget or step == STEPS[0]:
                break
            if price == PRICES[0]:  # no further peaks are worth their bits
                step = between.finer(step, STRIDE * 2**turn)
                continue
        if price in (PRICES[0], near):  # the trial took fewer bytes than allowed
            allowed = min(allowed, trial.bytes(2.0**price, candidates.total))
        allowed = max(allowed + 0.998 * budget - measured.bytes, LEAST * budget)
    if best is not None:
        return best
    step, _ = _best_step(candidates, partial(fewest_bytes, total=candidates.total), USUAL)
    fitted = fit_coder(candidates(step), candidates.samples.all, 2.0 ** PRICES[1])
    fewest = measure_rd(fitted, candidates.samples)
    if fewest.bytes <= budget:
        return fitted.coder, fewest
    raise DataError(
        f"transform: bytes={budget:g} cannot be met where {counted(candidates.total, 'label')} "
        f"share the side information; bytes={math.ceil(10 * fewest.bytes) / 10} can"
    )


def _fitted(trial: Trial, samples: Samples, price: float) -> Fitted:
    """A coder fitted to all labels, at a price in nats per bit."""
    return fit_coder(trial.candidate, samples.all, price, trial.analysis)


def _trials(candidates: Candidates) -> Callable[[float], Trial]:
    """Trials by step, on many labels; the latest one is cached."""
    many = Reference(candidates.tried.at_once(CHECK))
    return lru_cache(maxsize=1)(lambda step: Trial(candidates(step), many))


class _Between:
    """Bisection between steps that exceed the budget and steps that leave some of it unused."""

    def __init__(self) -> None:
        self.fine, self.coarse = -math.inf, math.inf

    def coarser(self, step: float, stride: float) -> float:
        """The next step after one that exceeds the budget."""
        self.fine = step
        return min(step + stride, STEPS[1]) if math.isinf(self.coarse) else self._amid()

    def finer(self, step: float, stride: float) -> float:
        """The next step after one that leaves some of the budget unused."""
        self.coarse = step
        return max(step - stride, STEPS[0]) if math.isinf(self.fine) else self._amid()

    def _amid(self) -> float:
        return (self.fine + self.coarse) / 2


class _Start(NamedTuple):
    """Where a search for the best step begins.

    Attributes:
        step: log2 of the step over the labels' deviation.
        stride: distance of the first other steps.
        trials: steps tried once the best one is bracketed.
        price: log2 of the price to try first.
    """

    step: float
    stride: float
    trials: int
    price: float


USUAL = _Start(1.2, 0.6, 4, -9.0)


def _start(budget: float, sample: Sample) -> _Start:
    """Near the best step and price that real labels of 1000 classes have under a budget.

    A few labels spend most of it on tables, and say nothing of the step.
    """
    if len(sample) < SAMPLE:
        return USUAL
    more = math.log2(budget / math.sqrt(sample.centred.shape[1]))
    step, price = STEP - FINER_BY * more, PRICE - CHEAPER_BY * more
    return _Start(
        min(max(step, STEPS[0]), STEPS[1]), STRIDE, TRIALS, min(max(price, PRICES[0]), PRICES[1])
    )


def _best_step(
    candidates: Candidates, aim: Callable[[Trial, float], Optimum], start: _Start
) -> tuple[float, Optimum]:
    """Find the step of least cost on a small sample.

    Args:
        candidates: the candidates by step.
        aim: evaluates a trial, starting at a price to try first.
        start: where the search begins.
    """
    few, at, near = Reference(candidates.tried.at_once(SAMPLE)), {}, start.price

    def cost(step: float) -> float:
        nonlocal near
        try:
            at[step] = aim(Trial(candidates(step), few), near)
        except DataError:  # too coarse or too fine for these labels
            at[step] = Optimum(2 * IMPOSSIBLE, None)
        near = at[step].price or near
        return at[step].cost

    step = minimum(cost, start.step, start.stride, STEPS, start.trials)
    return step, at[step]


def _text(quality: Mapping[str, float]) -> str:
    return ",".join(f"{key}={value:.4g}" for key, value in quality.items())

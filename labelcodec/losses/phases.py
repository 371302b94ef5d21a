"""Phases of a training run: consecutive parts with a loss of their own."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labelcodec.errors import ConfigError
from labelcodec.wording import counted

Loss = Literal["kl", "mse", "cosine", "hard"]
TOLERANCE = 1e-6  # of the sum of the shares


@dataclass(frozen=True)
class Phase:
    """A part of a training run.

    Attributes:
        share: its length as a share of the run's epochs, above 0 and up to 1.
        loss: as in `TrainingRecipe`.
        smoothing: as in `TrainingRecipe`; None for the recipe's.
    """

    share: float
    loss: Loss
    smoothing: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"phase: share={self.share:g}, allowed are shares above 0, up to 1")
        if self.smoothing is not None and not 0 <= self.smoothing < 1:
            raise ConfigError(f"phase: smoothing={self.smoothing:g}, allowed are 0..1")


@dataclass(frozen=True)
class Objective:
    """What an epoch minimises.

    Attributes:
        loss: as in `TrainingRecipe`.
        smoothing: as in `TrainingRecipe`.
    """

    loss: Loss
    smoothing: float


def phase_at(phases: Sequence[Phase], epoch: int, epochs: int) -> Phase:
    """The phase that an epoch belongs to.

    Args:
        phases: the phases of a run; their shares sum to 1.
        epoch: the epoch, 0..epochs-1.
        epochs: epochs of the run.

    Raises:
        ConfigError: as `first_epochs`.
    """
    return phases[bisect_right(first_epochs(phases, epochs), epoch) - 1]


def first_epochs(phases: Sequence[Phase], epochs: int) -> list[int]:
    """First epoch of each phase, counted from 0; starts are rounded to whole epochs, halves up.

    Args:
        phases: the phases of a run; their shares sum to 1.
        epochs: epochs of the run, 1 or more.

    Raises:
        ConfigError: the shares do not sum to 1, or a phase is shorter than an epoch.
    """
    total = math.fsum(phase.share for phase in phases)
    if abs(total - 1) > TOLERANCE:
        raise ConfigError(f"recipe: the shares of the phases sum to {total:g}, expected 1")
    shares_before = [
        math.fsum(phase.share for phase in phases[:number]) for number in range(len(phases))
    ]
    starts = [math.floor(share * epochs + 0.5 + TOLERANCE) for share in shares_before]
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], epochs], strict=True), 1):
        if start >= stop:
            raise ConfigError(
                f"recipe: phase {number} of {len(phases)}, {phases[number - 1].share:g} of "
                f"{counted(epochs, 'epoch')}, has no epoch; train for more epochs"
            )
    return starts

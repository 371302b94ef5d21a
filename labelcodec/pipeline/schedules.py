"""Temperature and learning rate schedules. Epochs are counted from 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from labelcodec.errors import ConfigError

WARMUP_FIRST = 0.01  # as in torchvision's training recipes


@dataclass(frozen=True)
class TemperatureSchedule:
    """Softmax temperature of the labels per epoch.

    With `step` and its defaults this is dynamic knowledge reuse (LPQLD, arXiv 2604.18135): the same
    stored logits give different targets at each temperature, so that they can be reused.

    Attributes:
        kind: 'step' multiplies the temperature by `factor` after every `every` of the run, down to
            `last`; 'cosine' anneals from `first` to `last` along half a cosine; 'constant' stays at
            `first`.
        first: temperature of epoch 0, above 0.
        last: lowest temperature, above 0 and up to `first`.
        factor: factor of each step of 'step', above 0 and up to 1.
        every: length of a step of 'step', as a share of the run, above 0 and up to 1.

    Raises:
        ConfigError: a value is out of range.
    """

    kind: Literal["step", "cosine", "constant"] = "step"
    first: float = 20.0
    last: float = 2.0
    factor: float = 0.7
    every: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.last <= self.first and self.kind != "constant":
            raise ConfigError(
                f"temperature: last={self.last:g} must lie in 0..first={self.first:g}"
            )
        if self.first <= 0 or not 0 < self.factor <= 1 or not 0 < self.every <= 1:
            raise ConfigError("temperature: first must be above 0, factor and every in 0..1")

    def at(self, epoch: int, epochs: int) -> float:
        """Temperature in epoch `epoch` of a run of `epochs`."""
        if self.kind == "constant":
            return self.first
        if self.kind == "cosine":
            return _cosine(self.first, self.last, epoch / epochs)
        steps = int(epoch / max(self.every * epochs, 1) + 1e-9)
        return max(self.first * self.factor**steps, self.last)


def learning_rate(epoch: float, epochs: int, *, warmup: float = 0.0, stretch: float = 1.0) -> float:
    """Multiplier of the base learning rate: linear warm-up from 0.01, then half a cosine to 0.

    Args:
        epoch: epochs done, possibly fractional.
        epochs: total epochs.
        warmup: epochs of linear warm-up.
        stretch: length of the cosine relative to the run; above 1 the learning rate ends above 0.
            LPLD and LPQLD call stretch 2 a smoothed learning rate.

    Returns:
        Multiplier in 0..1.
    """
    if epoch < warmup:
        return WARMUP_FIRST + (1 - WARMUP_FIRST) * epoch / warmup
    return _cosine(1.0, 0.0, (epoch - warmup) / max(epochs - warmup, 1) / stretch)


def _cosine(first: float, last: float, share: float) -> float:
    return last + 0.5 * (first - last) * (1 + math.cos(math.pi * share))

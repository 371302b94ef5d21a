"""What changes from epoch to epoch: temperature and learning rate. Epochs count from 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from labelcodec.errors import ConfigError

WARMUP_FIRST = 0.01  # as in torchvision's training recipes


@dataclass(frozen=True)
class TemperatureSchedule:
    """The temperature at which labels are read, epoch by epoch.

    With `step` and its defaults this is dynamic knowledge reuse (LPQLD, arXiv 2604.18135): the same
    stored logits say something else at each temperature, so that they can be used again.

    Attributes:
        kind: 'step' multiplies by `factor` every `every` of the run, down to `last`; 'cosine' goes
            from `first` to `last` on half a cosine; 'constant' stays at `first`.
        first: temperature of epoch 0.
        last: lowest temperature.
        factor: 0..1, of 'step'.
        every: share of the epochs after which 'step' falls, 0..1.
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
        """Temperature of an epoch out of `epochs`."""
        if self.kind == "constant":
            return self.first
        if self.kind == "cosine":
            return _cosine(self.first, self.last, epoch / epochs)
        falls = int(epoch / max(self.every * epochs, 1) + 1e-9)
        return max(self.first * self.factor**falls, self.last)


def learning_rate(epoch: float, epochs: int, *, warmup: float = 0.0, stretch: float = 1.0) -> float:
    """Factor of the first learning rate: linear warm-up from 0.01, then half a cosine to 0.

    Args:
        epoch: epochs done.
        epochs: in all.
        warmup: epochs of the linear rise.
        stretch: how many times longer the cosine is than the run, so that it ends above 0; LPLD and
            LPQLD call 2 a smoothed learning rate.
    """
    if epoch < warmup:
        return WARMUP_FIRST + (1 - WARMUP_FIRST) * epoch / warmup
    return _cosine(1.0, 0.0, (epoch - warmup) / max(epochs - warmup, 1) / stretch)


def _cosine(first: float, last: float, share: float) -> float:
    return last + 0.5 * (first - last) * (1 + math.cos(math.pi * share))

"""Parameters of recovery, with the published methods' values as defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from labelcodec.errors import ConfigError

Method = Literal["sre2l", "cda", "classwise", "lpld"]
Init = Literal["noise", "patches", "images"]
METHODS: tuple[str, ...] = get_args(Method)
INITS: tuple[str, ...] = get_args(Init)
MAX_IPC = 100_000


@dataclass(frozen=True)
class RecoverySettings:
    """What determines the recovered images, beside the teacher and its statistics.

    The defaults are those of LPLD and LPQLD for ImageNet-1K (arXiv 2604.18135, Table XII).

    Attributes:
        method: 'sre2l': batches across classes, the statistics of the network's BatchNorm layers;
            'cda': the same, and crops that become smaller in the course of the run; 'classwise': a
            batch is the images of one class; 'lpld': and the statistics are those of this class.
        ipc: images per class.
        iterations: optimiser steps per batch; 0 keeps the initial images.
        learning_rate: base learning rate of Adam, above 0; it follows half a cosine to 0.
        alpha: weight of the BatchNorm loss, 0 or more.
        first_multiplier: further weight of its first layer, 0 or more.
        batch_size: images per batch of 'sre2l' and 'cda'; one of a single class has `ipc`.
        group: classes of 'classwise' and 'lpld' that share a forward pass, to fill a GPU. Each is
            matched on its own, so that the images are the same up to rounding.
        scale: smallest and largest area of the random crops, as a fraction of the image's, above 0
            and up to 1; None for no crops. 'cda' begins with crops of the largest area and lowers
            the smallest along half a cosine.
        flip: probability of a horizontal flip, 0..1.
        roll: largest shift of the rolled images, as a fraction of their sides, 0..1.
        init: initial images: 'noise'; 'patches' of real images, chosen by the teacher and put
            together 2 x 2 (RDED); or real 'images'.
        micro_batch: largest number of images per forward and backward pass; None for no limit. The
            statistics are those of the whole batch.
        autocast: 'float16' or 'bfloat16' for mixed precision; None for float32.
        seed: seed of the initial images, crops, flips and shifts, 0..2^64 - 1.

    Raises:
        ConfigError: a value is out of range.
    """

    method: Method = "lpld"
    ipc: int = 10
    iterations: int = 4000
    learning_rate: float = 0.25
    alpha: float = 0.01
    first_multiplier: float = 10.0
    batch_size: int = 100
    group: int = 1
    scale: tuple[float, float] | None = (0.08, 1.0)
    flip: float = 0.5
    roll: float = 1 / 7
    init: Init = "noise"
    micro_batch: int | None = None
    autocast: Literal["float16", "bfloat16"] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("method", METHODS), ("init", INITS)):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"`{name}` is {getattr(self, name)!r}, not {' or '.join(choices)}"
                )
        ranges: tuple[tuple[str, float, float], ...] = (
            ("ipc", 1, MAX_IPC),
            ("iterations", 0, 1 << 31),
            ("batch_size", 1, 1 << 20),
            ("micro_batch", 1, 1 << 20),
            ("group", 1, 1 << 20),
            ("alpha", 0, math.inf),
            ("first_multiplier", 0, math.inf),
            ("flip", 0, 1),
            ("roll", 0, 1),
            ("seed", 0, (1 << 64) - 1),
        )
        for name, low, high in ranges:
            value = getattr(self, name)
            if value is not None and not (low <= value <= high and math.isfinite(value)):
                limit = f"{low:g} and more" if high in (math.inf, 1 << 31) else f"{low:g}..{high:g}"
                raise ConfigError(f"`{name}` is {value:g}, allowed are {limit}")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"`learning_rate` is {self.learning_rate:g}, allowed is more than 0")
        if self.scale is not None and not 0 < self.scale[0] <= self.scale[1] <= 1:
            low, high = self.scale
            raise ConfigError(f"`scale` is {low:g} {high:g}, expected two rising numbers in 0..1")

        if self.group > 1 and not self.by_class:
            raise ConfigError(f"`group` is of classes on their own, not of `method` {self.method}")
        if self.group > 1 and self.micro_batch is not None:
            raise ConfigError("`group` fills memory and `micro_batch` saves it: pass one of them")

    @property
    def by_class(self) -> bool:
        """Whether the images of a batch are of one class."""
        return self.method in ("classwise", "lpld")

    @property
    def needs_statistics(self) -> bool:
        """Whether batches are compared with the statistics of their class."""
        return self.method == "lpld" and self.iterations > 0

    def scale_at(self, iteration: int) -> tuple[float, float] | None:
        """Range of the crops' area in an iteration; None for no crops.

        CDA lowers the smallest area from the largest along half a cosine (CDA's code, easy2hard
        mode 'cosine', milestone 1).

        Args:
            iteration: 0..iterations - 1.
        """
        if self.method != "cda" or self.scale is None:
            return self.scale
        low, high = self.scale
        share = (1 + math.cos(math.pi * iteration / self.iterations)) / 2
        return low + (high - low) * share, high

    def learning_rate_at(self, iteration: int) -> float:
        """Learning rate in an iteration: half a cosine from `learning_rate` to 0."""
        return self.learning_rate * (1 + math.cos(math.pi * iteration / self.iterations)) / 2

"""A moving average of a model's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class MovingAverage:
    """Weights averaged over steps, w <- decay w + (1 - decay) now.

    Batch norm's statistics are averaged, too, as by torch's AveragedModel with `use_buffers`;
    buffers of integers are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Start at the model's weights.

        Args:
            model: whose weights are followed.
            decay: 0..1.
        """
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model's weights."""
        now = model.state_dict()
        for name, average in self.model.state_dict().items():
            if average.is_floating_point():
                average.lerp_(now[name], 1 - self.decay)
            else:
                average.copy_(now[name])

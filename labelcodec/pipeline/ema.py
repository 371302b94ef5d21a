"""Exponential moving average (EMA) of a model's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class MovingAverage:
    """Weights averaged over optimiser steps: average <- decay average + (1 - decay) weights.

    Batch norm statistics are averaged too, as by torch's AveragedModel with `use_buffers=True`;
    integer buffers are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Initialise the average to the model's weights.

        Args:
            model: the model whose weights are averaged.
            decay: 0..1.
        """
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Add the model's current weights to the average."""
        weights = model.state_dict()
        for name, average in self.model.state_dict().items():
            if average.is_floating_point():
                average.lerp_(weights[name], 1 - self.decay)
            else:
                average.copy_(weights[name])

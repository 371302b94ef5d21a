"""A network with BatchNorm layers of 2 and of 1 dimensions, and one that is not used."""

from __future__ import annotations

import torch
from torch import nn

from tests.pipeline import scene


class Network(nn.Module):
    """Weights and running statistics are the same every time."""

    def __init__(self, classes: int = scene.CLASSES) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.norm = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)
        self.linear, self.last = nn.Linear(5, classes), nn.BatchNorm1d(classes)
        self.unused = nn.BatchNorm2d(7)
        for layer in (self.norm, self.last):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.linear(self.norm(self.conv(images)).relu().mean((2, 3))))


def network(classes: int) -> nn.Module:
    return Network(classes)

"""The teacher of the real labels: SqueezeNet 1.0 of Iandola et al. 2016, as its weights expect."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

BLUE_GREEN_RED = (104.0, 117.0, 123.0)  # what its inputs, 0..255, are less by
FIRES = ((96, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128), (256, 48, 192))
FIRES += ((384, 48, 192), (384, 64, 256), (512, 64, 256))
POOLED = (4, 8)  # max pooling follows these


class Fire(nn.Module):
    """1x1 convolutions to few channels, then 1x1 and 3x3 ones side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], dim=1)


class SqueezeNet(nn.Module):
    """(B, 3, 224, 224) images, RGB in 0..1, to (B, 1000) logits, none below 0."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 7, stride=2)
        for number, sizes in enumerate(FIRES, start=2):
            self.add_module(f"fire{number}", Fire(*sizes))
        self.conv10 = nn.Conv2d(512, 1000, 1, padding=1)
        self.register_buffer("mean", torch.tensor(BLUE_GREEN_RED)[:, None, None], persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = images.flip(1) * 255 - self.mean
        x = F.max_pool2d(F.relu(self.conv1(x)), 3, 2, ceil_mode=True)
        for number in range(2, 2 + len(FIRES)):
            x = getattr(self, f"fire{number}")(x)
            if number in POOLED:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        return F.relu(self.conv10(x)).mean(dim=(2, 3))


def teacher(weights: Path) -> SqueezeNet:
    """The network with its weights, in evaluation mode."""
    model = SqueezeNet()
    model.load_state_dict(load_file(weights))
    return model.eval()

"""Networks small enough to train on a CPU, and residual networks for small images."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn


class BasicBlock(nn.Module):
    """Residual block: two 3x3 convolutions and a parameter-free shortcut (He et al. 2016, A).

    Args:
        channels: channels of the input.
        width: channels of the output, at least as many.
        stride: stride of the first convolution and of the shortcut.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.added = stride, width - channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, H, W) to (B, width, H / stride, W / stride)."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        half = self.added // 2
        return F.relu(out + F.pad(shortcut, (0, 0, 0, 0, half, self.added - half)))


class CifarResNet(nn.Module):
    """ResNet with 6n + 2 layers for small images (He et al. 2016, section 4.2)."""

    default_cfg: ClassVar[dict[str, Any]] = {"input_size": (3, 32, 32)}  # as timm's models have it

    def __init__(self, blocks: int, classes: int, channels: int = 3) -> None:
        """Three stages of 16, 32 and 64 channels.

        Args:
            blocks: n, blocks per stage.
            classes: C.
            channels: image channels.
        """
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, 1, blocks)
        self.layer2 = _stage(16, 32, 2, blocks)
        self.layer3 = _stage(32, 64, 2, blocks)
        self.linear = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, H, W) to (B, C) logits."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        logits: torch.Tensor = self.linear(out.mean(dim=(2, 3)))
        return logits


def _stage(channels: int, width: int, stride: int, blocks: int) -> nn.Sequential:
    first = BasicBlock(channels, width, stride)
    return nn.Sequential(first, *(BasicBlock(width, width, 1) for _ in range(blocks - 1)))


def convnet(
    classes: int, widths: Sequence[int] = (32, 64, 128, 192), channels: int = 3
) -> nn.Module:
    """Convolutional network for small images that trains on a CPU in seconds.

    A 5x5 convolution of stride 2, then 3x3 convolutions, each preceded by 2x2 max pooling. Every
    convolution is followed by batch norm and ReLU. Global average pooling and a linear layer give
    the logits.

    Args:
        classes: C.
        widths: output channels of each convolution.
        channels: image channels.
    """
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 5, 2, 2, bias=False)]
    for previous, width in pairwise(widths):
        layers += [nn.BatchNorm2d(previous), nn.ReLU(inplace=True), nn.MaxPool2d(2, ceil_mode=True)]
        layers += [nn.Conv2d(previous, width, 3, padding=1, bias=False)]
    layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes)]
    network: nn.Module = nn.Sequential(*layers)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on CPUs
    return network


def small_resnet18(classes: int) -> nn.Module:
    """ResNet-18 of torchvision for 64-pixel images: a 3x3 stem of stride 1, no max pooling.

    The student that LPLD and LPQLD use for Tiny-ImageNet, after zeyuanyin/tiny-imagenet.

    Args:
        classes: C.

    Raises:
        ImportError: torchvision is not installed.
    """
    model: nn.Module = importlib.import_module("torchvision.models").resnet18(num_classes=classes)
    model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = nn.Identity()
    return model

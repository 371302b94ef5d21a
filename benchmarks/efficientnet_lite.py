"""The teacher of the second real label set: EfficientNet-Lite0, as its weights expect.

`labelcodec squeeze … --teacher benchmarks.efficientnet_lite:lite0` and the like take it by name.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

NORMALISATION = {"mean": [127 / 255] * 3, "std": [128 / 255] * 3}
BLOCKS = (  # repeats, kernel, stride of the first, expansion, channels
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)
EPSILON, MOMENTUM = 1e-3, 0.01


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: one more pixel on the right and below."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, groups: int = 1):
        super().__init__(channels, width, kernel, stride, 0, groups=groups, bias=False)
        total = kernel - stride if stride > 1 else kernel - 1
        self.edges = (total // 2, total - total // 2) * 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(F.pad(x, self.edges) if sum(self.edges) else x)


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, EPSILON, MOMENTUM)


class Block(nn.Module):
    """Expand, filter each channel, project; the input is added where the shapes agree."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = channels * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = SameConv(channels, hidden, 1, 1), norm(hidden)
        self._depthwise_conv = SameConv(hidden, hidden, kernel, stride, hidden)
        self._bn1 = norm(hidden)
        self._project_conv, self._bn2 = SameConv(hidden, width, 1, 1), norm(width)
        self.expands, self.adds = expansion > 1, stride == 1 and channels == width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        out = F.relu6(self._bn1(self._depthwise_conv(out)))
        out = self._bn2(self._project_conv(out))
        return out + x if self.adds else out


class Lite0(nn.Module):
    """(B, 3, 224, 224) images, normalised with `NORMALISATION`, to (B, C) logits."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2), norm(32)
        blocks, channels = [], 32
        for repeats, kernel, stride, expansion, width in BLOCKS:
            for number in range(repeats):
                blocks.append(Block(channels, width, kernel, 1 if number else stride, expansion))
                channels = width
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv(320, 1280, 1, 1), norm(1280)
        self._dropout, self._fc = nn.Dropout(0.2), nn.Linear(1280, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = F.relu6(self._bn0(self._conv_stem(images)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))
        return self._fc(self._dropout(x))


def lite0(classes: int) -> nn.Module:
    """The network with random weights, by the name that commands take."""
    return Lite0(classes)

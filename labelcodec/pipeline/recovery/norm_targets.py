"""What the statistics of recovered images are compared with: those of a network or of a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from labelcodec.errors import MismatchError
from labelcodec.pipeline.class_statistics import ClassStatistics
from labelcodec.pipeline.norm_layers import norm_layers

Moments = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class NormTargets:
    """Target mean and variance of the layers, one after the other, for each group of images.

    Attributes:
        layers: names of the layers, in the order of the forward pass.
        layer: (2 * sum of channels,) int64 position of the layer of each mean in `layers`, followed
            by those of the variances, plus the number of layers.
        mean: (groups, sum of channels) float32.
        variance: (groups, sum of channels) float32.
    """

    layers: tuple[str, ...]
    layer: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor

    @classmethod
    def of(cls, moments: Mapping[str, Moments], device: torch.device) -> NormTargets:
        """Targets from the (groups, channels) mean and variance of each layer."""
        means, variances = zip(*moments.values(), strict=True)
        layer = torch.repeat_interleave(torch.tensor([each.shape[1] for each in means]))
        layer = torch.cat([layer, layer + len(means)]).to(device)
        mean, variance = (
            torch.cat(each, 1).to(device, torch.float32) for each in (means, variances)
        )
        return cls(tuple(moments), layer, mean, variance)


def network_targets(
    model: nn.Module, layers: Sequence[str], who: str, device: torch.device
) -> NormTargets:
    """The running statistics of a network's own BatchNorm layers (eq. 2 of arXiv 2604.18135).

    Args:
        model: the network.
        layers: names of the layers.
        who: name of the network in error messages.
        device: where the targets go.

    Raises:
        MismatchError: a layer keeps no running statistics.
    """
    known = norm_layers(model, who)
    moments: dict[str, Moments] = {}
    for name in layers:
        mean, variance = known[name].running_mean, known[name].running_var
        if mean is None or variance is None:
            raise MismatchError(
                f"{who}: its layer {name} keeps no running statistics (track_running_stats=False); "
                "`method` lpld takes those that squeeze collects"
            )
        moments[name] = mean[None], variance[None]
    return NormTargets.of(moments, device)


def class_targets(
    statistics: ClassStatistics, classes: Sequence[int], device: torch.device
) -> NormTargets:
    """The statistics of classes, a group each (eq. 7 of arXiv 2604.18135).

    Args:
        statistics: what squeeze collected.
        classes: the classes, 0..C-1.
        device: where the targets go.
    """
    rows = list(classes)
    moments = {
        name: (torch.from_numpy(layer.mean[rows]), torch.from_numpy(layer.variance[rows]))
        for name, layer in statistics.layers.items()
    }
    return NormTargets.of(moments, device)

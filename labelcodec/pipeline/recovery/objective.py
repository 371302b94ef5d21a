"""Objective of recovery: cross-entropy, and the distance of BatchNorm statistics (eqs. 2, 3, 7).

Equations are those of arXiv 2604.18135: CE + alpha * sum over layers of the norms of the
differences of mean and of variance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from labelcodec.errors import MismatchError
from labelcodec.pipeline.forward import forward_teacher
from labelcodec.pipeline.norm_layers import LayerInputs
from labelcodec.pipeline.recovery.moments import channel_moments
from labelcodec.pipeline.recovery.norm_targets import NormTargets
from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.recovery.views import View, viewed
from labelcodec.pipeline.teacher import AUTOCAST, Teacher


@dataclass(frozen=True, eq=False)
class Terms:
    """Terms of the loss, as 0-dimensional tensors on the device.

    Attributes:
        cross_entropy: mean over the images, in nats.
        norm: the BatchNorm loss, before its weight `alpha`; mean over groups.
    """

    cross_entropy: torch.Tensor
    norm: torch.Tensor


def norm_loss(
    mean: torch.Tensor, variance: torch.Tensor, targets: NormTargets, first_multiplier: float
) -> torch.Tensor:
    """Sum over layers of the norms of the differences of mean and of variance (eqs. 2, 7).

    Args:
        mean: (groups, sum of channels) mean of each group in all layers.
        variance: (groups, sum of channels) population variance.
        targets: what they are compared with.
        first_multiplier: weight of the first layer.

    Returns:
        The sum over groups.
    """
    layers = len(targets.layers)
    differences = torch.cat([mean - targets.mean, variance - targets.variance], dim=1)
    squares = differences.new_zeros(len(mean), 2 * layers)
    squares = squares.index_add(1, targets.layer, differences.square())
    norms = torch.where(squares > 0, squares, 1).sqrt() * (squares > 0)  # gradient 0 at 0
    weights = torch.ones_like(norms[0])
    weights[[0, layers]] = first_multiplier
    return (norms @ weights).sum()


class Objective:
    """The loss of a teacher on views of images, and its gradient in the images.

    Args:
        teacher: the teacher, whose parameters take no gradients.
        inputs: the inputs of its BatchNorm layers.
        settings: weights of the terms, micro-batch, mixed precision.
    """

    def __init__(self, teacher: Teacher, inputs: LayerInputs, settings: RecoverySettings) -> None:
        self._teacher, self._inputs, self._settings = teacher, inputs, settings

    def layers(self, images: torch.Tensor) -> tuple[str, ...]:
        """Names of the BatchNorm layers that a forward pass uses, in its order."""
        with torch.no_grad():
            return tuple(self._forward(images)[1])

    def backward(
        self,
        images: torch.Tensor,
        classes: torch.Tensor,
        targets: NormTargets,
        views: Sequence[View],
    ) -> Terms:
        """Compute the loss, and add its gradient to that of the images.

        With micro-batches, a first pass collects the statistics of the whole batch. Samples do not
        see each other in evaluation mode, so the gradient is the same as without.

        Args:
            images: (B, 3, H, W) normalised images, a leaf that requires a gradient.
            classes: (B,) int64 classes of the images.
            targets: statistics to match.
            views: the view of each group of images.
        """
        size = self._settings.micro_batch or len(images)
        if size < len(images):
            return self._in_parts(images, classes, targets, views[0], size)
        groups = len(views)
        of_group = zip(images.chunk(groups), views, strict=True)
        seen = torch.cat([viewed(part, view) for part, view in of_group])
        logits, moments = self._forward(seen, groups)
        mean, variance = _joined(moments, targets, self._teacher)
        cross_entropy = F.cross_entropy(logits, classes)
        norm = norm_loss(mean, variance, targets, self._settings.first_multiplier)
        torch.autograd.backward(groups * cross_entropy + self._settings.alpha * norm)
        return Terms(cross_entropy.detach(), norm.detach() / groups)

    def _in_parts(
        self,
        images: torch.Tensor,
        classes: torch.Tensor,
        targets: NormTargets,
        view: View,
        size: int,
    ) -> Terms:
        count = len(images)
        sums = torch.zeros(2, *targets.mean.shape, dtype=torch.float64, device=images.device)
        for part in _slices(count, size):
            with torch.no_grad():
                moments = self._forward(viewed(images[part], view))[1]
            mean, variance = (each.double() for each in _joined(moments, targets, self._teacher))
            sums += len(images[part]) / count * torch.stack([mean, variance + mean.square()])
        whole = sums[0].float().requires_grad_(), (sums[1] - sums[0].square()).float()
        whole[1].requires_grad_()
        norm = norm_loss(*whole, targets, self._settings.first_multiplier)
        of_mean, of_variance = torch.autograd.grad(norm, whole)
        total = torch.zeros((), device=images.device)
        for part in _slices(count, size):
            logits, moments = self._forward(viewed(images[part], view))
            mean, variance = _joined(moments, targets, self._teacher)
            share = len(images[part]) / count
            # the part's share of the gradient of mean and variance of the whole batch
            about_mean = variance + mean.square() - 2 * whole[0].detach() * mean
            linear = share * (of_mean * mean + of_variance * about_mean).sum()
            cross_entropy = F.cross_entropy(logits, classes[part]) * share
            torch.autograd.backward(cross_entropy + self._settings.alpha * linear)
            total += cross_entropy.detach()
        return Terms(total, norm.detach())

    def _forward(
        self, images: torch.Tensor, groups: int = 1
    ) -> tuple[torch.Tensor, dict[str, tuple[torch.Tensor, torch.Tensor]]]:
        """(B, C) float32 logits, and mean and variance of each layer's input."""
        teacher, dtype = self._teacher, AUTOCAST.get(self._settings.autocast or "")
        with (
            torch.autocast(images.device.type, dtype, enabled=dtype is not None),
            self._inputs.collected(lambda _, values: channel_moments(values, groups)) as moments,
        ):
            who = f"the teacher {teacher.facts['name']}"
            logits = forward_teacher(teacher.model, images, teacher.classes, who, teacher.output)
        return logits.float(), moments


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _joined(
    moments: Mapping[str, tuple[torch.Tensor, torch.Tensor]], targets: NormTargets, teacher: Teacher
) -> tuple[torch.Tensor, torch.Tensor]:
    """(groups, sum of channels) mean and variance of the targets' layers, in their order."""
    missing = [name for name in targets.layers if name not in moments]
    if missing:
        raise MismatchError(
            f"the teacher {teacher.facts['name']}: its forward pass does not use the layer "
            f"{missing[0]}, of which there are statistics"
        )
    means, variances = zip(*(moments[name] for name in targets.layers), strict=True)
    return torch.cat(means, 1), torch.cat(variances, 1)

"""Target probabilities of labels at a temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from labelcodec.errors import MismatchError
from labelcodec.replay.soft_labels import SoftLabels
from labelcodec.wording import counted


@dataclass(frozen=True, eq=False)
class TopKTargets:
    """Probabilities of top-k labels.

    Attributes:
        index: (B, k) int64 classes.
        kept: (B, k) float32 their probabilities.
        omitted: (B, 1) float32 probability of each class that is left out.
    """

    index: torch.Tensor
    kept: torch.Tensor
    omitted: torch.Tensor


def check_shape(student: torch.Tensor, labels: SoftLabels) -> None:
    """Check that a student's logits are for these labels.

    Raises:
        MismatchError: another number of classes or samples than the labels, or no samples.
    """
    if student.shape != (len(labels), labels.classes) or not len(labels):
        raise MismatchError(
            f"logits of shape {tuple(student.shape)} for {counted(len(labels), 'label')} of "
            f"{counted(labels.classes, 'class')}"
        )


def target(labels: SoftLabels, temperature: float, smoothing: float = 0.0) -> torch.Tensor:
    """(B, C) float32 target probabilities for the student.

    Args:
        labels: labels of the batch.
        temperature: temperature of the softmax over the labels, above 0.
        smoothing: share of the uniform distribution mixed in, 0..1.
    """
    targets = labels.probabilities(temperature)
    return (
        targets
        if smoothing == 0
        else targets.lerp(torch.full_like(targets, 1 / labels.classes), smoothing)
    )


def top_k_targets(labels: SoftLabels, temperature: float, smoothing: float = 0.0) -> TopKTargets:
    """Probabilities of top-k labels at a temperature; as `target`, for each class.

    Args:
        labels: top-k labels of the batch.
        temperature: above 0.
        smoothing: share of the uniform distribution mixed in, 0..1.
    """
    assert labels.index is not None
    value, tail = labels.kept_logits()
    count = labels.classes - value.shape[1]
    value, tail = value / temperature, tail.expand(len(value), 1) / temperature
    rest = tail + (math.log(count) if count else -math.inf)
    total = torch.logsumexp(torch.cat([value, rest], dim=1), dim=1, keepdim=True)
    uniform = smoothing / labels.classes
    kept, omitted = (
        (1 - smoothing) * torch.exp(logits - total) + uniform for logits in (value, tail)
    )
    return TopKTargets(labels.index, kept, omitted if count else torch.zeros_like(omitted))

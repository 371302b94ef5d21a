"""KL divergence of top-k labels from a student, without a (B, C) array of targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from labelcodec.pipeline import losses
from labelcodec.replay.soft_labels import SoftLabels

AT_ONCE = 1 << 20  # logits of the student in memory in float32, beside its own


@dataclass(frozen=True, eq=False)
class Targets:
    """Probabilities of top-k labels.

    Attributes:
        index: (B, k) int64 classes.
        kept: (B, k) float32 their probabilities.
        omitted: (B, 1) float32 probability of each class that is left out.
    """

    index: torch.Tensor
    kept: torch.Tensor
    omitted: torch.Tensor


def kl_from_labels(
    student: torch.Tensor,
    labels: SoftLabels,
    temperature: float,
    student_temperature: float | None = None,
    smoothing: float = 0.0,
) -> torch.Tensor:
    """Mean KL(labels || softmax(student / temperature)) over samples, in nats.

    It equals `losses.kl` of `losses.target`. For top-k labels of any tail it needs no target for
    the classes that are left out: beside the student's logits and their gradient, it takes
    memory for k values per sample and for a few samples' logits. For training loops of your own,
    also with vocabularies of 150 000 tokens.

    Args:
        student: (B, C) logits, of any floating-point type; sums run in float32.
        labels: labels of the batch, (B, k) or dense.
        temperature: temperature of the labels, above 0.
        student_temperature: temperature of the student; None for that of the labels.
        smoothing: share of the uniform distribution mixed into the labels, 0..1.

    Example:
        >>> loss = kl_from_labels(model(images), batch.labels, temperature=20.0)
        >>> loss.backward()
    """
    own = temperature if student_temperature is None else student_temperature
    if labels.index is None:
        return losses.kl(student.float(), losses.target(labels, temperature, smoothing), own)
    targets = top_k_targets(labels, temperature, smoothing)
    divergence: torch.Tensor = _CompactKL.apply(  # type: ignore[no-untyped-call]
        student, targets.index, targets.kept, targets.omitted, own
    )
    return divergence


def top_k_targets(labels: SoftLabels, temperature: float, smoothing: float = 0.0) -> Targets:
    """Probabilities of top-k labels at a temperature; as `losses.target`, for each class.

    Args:
        labels: top-k labels of the batch.
        temperature: above 0.
        smoothing: share of the uniform distribution mixed in, 0..1.
    """
    assert labels.index is not None
    value, tail = labels.kept_logits()
    count = labels.classes - value.shape[1]
    value, tail = value / temperature, tail.expand(len(value), 1) / temperature
    rest = tail + torch.log(tail.new_tensor(float(count)))  # -inf where nothing is left out
    total = torch.logsumexp(torch.cat([value, rest], dim=1), dim=1, keepdim=True)
    uniform = smoothing / labels.classes
    kept, omitted = (
        (1 - smoothing) * torch.exp(logits - total) + uniform for logits in (value, tail)
    )
    return Targets(labels.index, kept, omitted if count else torch.zeros_like(omitted))


class _CompactKL(torch.autograd.Function):
    """The divergence and its gradient, a few samples at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        student: torch.Tensor,
        index: torch.Tensor,
        kept: torch.Tensor,
        omitted: torch.Tensor,
        temperature: float,
    ) -> torch.Tensor:
        """Mean divergence in nats, float32; see `Targets` for the shapes."""
        size, rows = _rows(student)
        norms = torch.empty_like(omitted)
        sums = torch.empty_like(omitted)
        for first in range(0, len(student), rows):
            part = student[first : first + rows].float() / temperature
            norms[first : first + rows] = torch.logsumexp(part, dim=1, keepdim=True)
            sums[first : first + rows] = part.sum(dim=1, keepdim=True)
        logits = student.gather(1, index).float() / temperature
        count = size - index.shape[1]
        entropy = torch.xlogy(kept, kept).sum(dim=1) + count * torch.xlogy(omitted, omitted)[:, 0]
        left_out = torch.where(omitted > 0, omitted * (sums - logits.sum(1, keepdim=True)), 0)
        cross = (kept * logits).sum(dim=1) + left_out[:, 0] - norms[:, 0]
        ctx.save_for_backward(student, index, kept, omitted, norms)
        ctx.temperature = temperature
        return (entropy - cross).mean()

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[Any, ...]:
        """Gradient of the student's logits; the targets get none."""
        student, index, kept, omitted, norms = ctx.saved_tensors
        _, rows = _rows(student)
        scale = upstream[0] / (len(student) * ctx.temperature)
        gradient = torch.empty_like(student)
        for first in range(0, len(student), rows):
            part = slice(first, first + rows)
            slope = torch.exp(student[part].float() / ctx.temperature - norms[part])
            slope -= omitted[part]
            slope.scatter_add_(1, index[part], omitted[part] - kept[part])
            gradient[part] = slope * scale
        return gradient, None, None, None, None


def _rows(student: torch.Tensor) -> tuple[int, int]:
    """Number of classes, and of samples computed at once."""
    classes = student.shape[1]
    return classes, max(1, AT_ONCE // classes)

"""KL divergence of labels from a student; without a (B, C) array of targets for top-k labels."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from labelcodec.losses.rows import slices
from labelcodec.losses.targets import check_shape, target, top_k_targets
from labelcodec.replay.soft_labels import SoftLabels


def kl(
    student: torch.Tensor,
    labels: SoftLabels,
    temperature: float,
    student_temperature: float | None = None,
    smoothing: float = 0.0,
) -> torch.Tensor:
    """Mean KL(labels || softmax(student / temperature)) over samples, in nats.

    For top-k labels of any tail it needs no target for the classes that are left out: beside the
    student's logits and their gradient, it takes memory for k values per sample and for a few
    samples' logits. It serves vocabularies of 150 000 tokens, too.

    Args:
        student: (B, C) logits, of any floating-point type; sums run in float32.
        labels: labels of the batch, (B, k) or dense.
        temperature: temperature of the labels, above 0.
        student_temperature: temperature of the student, its own with calibrated alignment; None
            for that of the labels.
        smoothing: share of the uniform distribution mixed into the labels, 0..1.

    Raises:
        MismatchError: logits of another shape than the labels, or no samples.

    Example:
        >>> loss = losses.kl(model(batch.images), batch.labels, temperature=20.0)
        >>> loss.backward()
    """
    check_shape(student, labels)
    own = temperature if student_temperature is None else student_temperature
    if labels.index is None:
        targets = target(labels, temperature, smoothing)
        logarithms = F.log_softmax(student.float() / own, dim=1)
        return F.kl_div(logarithms, targets, reduction="batchmean")
    top_k = top_k_targets(labels, temperature, smoothing)
    divergence: torch.Tensor = _TopKDivergence.apply(  # type: ignore[no-untyped-call]
        student, top_k.index, top_k.kept, top_k.omitted, own
    )
    return divergence


class _TopKDivergence(torch.autograd.Function):
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
        """Mean divergence in nats, float32; see `TopKTargets` for the shapes."""
        norms, sums = torch.empty_like(omitted), torch.empty_like(omitted)
        for part in slices(student):
            scaled = student[part].float() / temperature
            norms[part] = torch.logsumexp(scaled, dim=1, keepdim=True)
            sums[part] = scaled.sum(dim=1, keepdim=True)
        logits = student.gather(1, index).float() / temperature
        count = student.shape[1] - index.shape[1]
        entropy = torch.xlogy(kept, kept).sum(dim=1) + count * torch.xlogy(omitted, omitted)[:, 0]
        left_out = torch.where(omitted > 0, omitted * (sums - logits.sum(1, keepdim=True)), 0)
        cross = (kept * logits).sum(dim=1) + left_out[:, 0] - norms[:, 0]
        ctx.save_for_backward(student, index, kept, omitted, norms)
        ctx.temperature = temperature
        return (entropy - cross).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[Any, ...]:
        """Gradient of the student's logits; the targets get none."""
        student, index, kept, omitted, norms = ctx.saved_tensors
        scale = upstream[0] / (len(student) * ctx.temperature)
        gradient = torch.empty_like(student)
        for part in slices(student):
            slope = torch.exp(student[part].float() / ctx.temperature - norms[part])
            slope -= omitted[part]
            slope.scatter_add_(1, index[part], omitted[part] - kept[part])
            gradient[part] = slope * scale
        return gradient, None, None, None, None

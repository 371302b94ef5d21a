"""Losses over a few samples at a time, so that no (B, C) array of labels is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.autograd.function import once_differentiable

AT_ONCE = 1 << 20  # logits of the student in memory in float32, beside its own

RowLoss = Callable[[torch.Tensor, slice], torch.Tensor]


def mean_by_rows(student: torch.Tensor, loss_of: RowLoss) -> torch.Tensor:
    """Mean of a loss over samples; its gradient is computed in the same pass.

    Args:
        student: (B, C) logits, of any floating-point type.
        loss_of: maps (b, C) float32 logits, and which samples they are, to (b,) losses.
    """
    mean: torch.Tensor = _ByRows.apply(student, loss_of)  # type: ignore[no-untyped-call]
    return mean


def slices(student: torch.Tensor) -> Iterator[slice]:
    """Ranges of samples with `AT_ONCE` logits, or of one sample with more."""
    rows = max(1, AT_ONCE // student.shape[1])
    for first in range(0, len(student), rows):
        yield slice(first, first + rows)


class _ByRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, student: torch.Tensor, loss_of: RowLoss) -> torch.Tensor:
        needs_gradient = ctx.needs_input_grad[0]
        gradient = torch.empty_like(student) if needs_gradient else None
        total = torch.zeros((), device=student.device)
        for part in slices(student):
            logits = student[part].detach().float().requires_grad_(needs_gradient)
            with torch.set_grad_enabled(needs_gradient):
                loss = loss_of(logits, part).sum()
            if gradient is not None:
                gradient[part] = torch.autograd.grad(loss, logits)[0]
            total += loss.detach()
        ctx.save_for_backward(gradient)
        return total / len(student)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[Any, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * (upstream[0] / len(gradient)), None

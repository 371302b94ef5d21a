"""Calibrated student-teacher alignment: a separate student temperature (LPQLD, Algorithm 1)."""

from __future__ import annotations

import torch

from labelcodec.losses.rows import slices
from labelcodec.losses.targets import check_shape, target, top_k_targets
from labelcodec.replay.soft_labels import SoftLabels

GRID = tuple(step / 100 for step in range(1, 101))
FIRST = 1.0  # the student's temperature in the first epoch


def student_temperature(
    student: torch.Tensor, labels: SoftLabels, temperature: float, smoothing: float = 0.0
) -> float:
    """Student temperature of least KL divergence from the labels, to use in the next epoch.

    Args:
        student: (B, C) logits of the last batch of an epoch, of any floating-point type.
        labels: labels of the same samples.
        temperature: temperature of the labels, above 0.
        smoothing: share of the uniform distribution mixed into the labels, 0..1.

    Returns:
        One of 0.01, 0.02, ..., 1.00.
    """
    return best_temperature(cross_entropies(student, labels, temperature, smoothing))


def best_temperature(sums: torch.Tensor) -> float:
    """The temperature of least cross-entropy.

    Args:
        sums: (100,) cross-entropies, as returned by `cross_entropies`; those of several batches
            may be added.
    """
    return GRID[int(sums.argmin())]


@torch.no_grad()
def cross_entropies(
    student: torch.Tensor, labels: SoftLabels, temperature: float, smoothing: float = 0.0
) -> torch.Tensor:
    """(100,) float32 cross-entropies at each temperature of the grid, summed over samples.

    The student's logits are read once, a few samples at a time: the cross-entropy at t is
    logsumexp(student / t) minus a t-th of the sum of logits weighted by their targets.

    Args:
        student: (B, C) logits, of any floating-point type.
        labels: labels of the same samples.
        temperature: temperature of the labels, above 0.
        smoothing: share of the uniform distribution mixed into the labels, 0..1.
    """
    check_shape(student, labels)
    sums = torch.zeros(len(GRID), device=student.device)
    for part in slices(student):
        logits = student[part].float()
        logits = logits - logits.amax(dim=1, keepdim=True)
        weighted = _weighted_sums(logits, labels.rows(part), temperature, smoothing)
        at_each = [torch.logsumexp(logits / t, dim=1) - weighted / t for t in GRID]
        sums += torch.stack(at_each).sum(dim=1)
    return sums


def _weighted_sums(
    logits: torch.Tensor, labels: SoftLabels, temperature: float, smoothing: float
) -> torch.Tensor:
    """(b,) sums of logits, weighted by the targets."""
    if labels.index is None:
        return (target(labels, temperature, smoothing) * logits).sum(dim=1)
    top_k = top_k_targets(labels, temperature, smoothing)
    kept = logits.gather(1, top_k.index)
    left_out = logits.sum(dim=1) - kept.sum(dim=1)
    return (top_k.kept * kept).sum(dim=1) + top_k.omitted[:, 0] * left_out

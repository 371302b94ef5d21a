"""Calibrated student-teacher alignment: a separate student temperature (LPQLD, Algorithm 1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F

GRID = tuple(step / 100 for step in range(1, 101))
FIRST = 1.0  # the student's temperature in the first epoch


@torch.no_grad()
def student_temperature(student: torch.Tensor, targets: torch.Tensor) -> float:
    """Student temperature of least KL divergence from the targets, to use in the next epoch.

    Args:
        student: (B, C) float logits of the last batch of an epoch.
        targets: (B, C) target probabilities of the same samples.

    Returns:
        One of 0.01, 0.02, ..., 1.00.
    """
    cross_entropies = [-(targets * F.log_softmax(student / t, dim=1)).sum() for t in GRID]
    return GRID[int(torch.stack(cross_entropies).argmin())]

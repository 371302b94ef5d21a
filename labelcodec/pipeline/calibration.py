"""Calibrated student-teacher alignment: the student's own temperature (LPQLD, Algorithm 1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F

GRID = tuple(step / 100 for step in range(1, 101))
FIRST = 1.0  # the student's temperature in the first epoch


@torch.no_grad()
def student_temperature(student: torch.Tensor, wanted: torch.Tensor) -> float:
    """The temperature out of 0.01, 0.02, ... 1.00 at which the student is nearest to the teacher.

    Args:
        student: (B, C) logits of the last batch of an epoch.
        wanted: (B, C) probabilities it should have given.

    Returns:
        The one of least KL divergence, to be used in the next epoch.
    """
    cross = [-(wanted * F.log_softmax(student / t, dim=1)).sum() for t in GRID]
    return GRID[int(torch.stack(cross).argmin())]

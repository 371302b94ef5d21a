"""Losses against targets of all classes, as the literature writes them."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def kl(student: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean KL(targets || softmax(student / temperature)) over samples."""
    return F.kl_div(F.log_softmax(student / temperature, dim=1), targets, reduction="batchmean")

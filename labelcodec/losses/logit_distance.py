"""Losses that compare logits: squared difference, and GIFT's cosine."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from labelcodec.losses.rows import mean_by_rows
from labelcodec.losses.targets import check_shape
from labelcodec.replay.soft_labels import SoftLabels

HARD_SHARE, HARD_SMOOTHING = 0.1, 0.1  # as in GIFT (arXiv 2405.14736)


def mse(student: torch.Tensor, labels: SoftLabels) -> torch.Tensor:
    """Mean squared difference of logits, over the classes that the labels hold.

    Both sides are centred over those classes first, because a constant added to all logits does
    not change the softmax, and codecs may drop it.

    Args:
        student: (B, C) logits, of any floating-point type.
        labels: labels of the batch.

    Raises:
        MismatchError: logits of another shape than the labels, or no samples.
    """
    check_shape(student, labels)

    def loss_of(logits: torch.Tensor, part: slice) -> torch.Tensor:
        teacher = labels.rows(part).logits()
        held = torch.isfinite(teacher)
        count = held.sum(dim=1, keepdim=True).clamp_min(1)
        difference = torch.where(held, logits - teacher.masked_fill(~held, 0), 0)
        centred = difference - difference.sum(dim=1, keepdim=True) / count
        return torch.where(held, centred, 0).square().sum(dim=1) / count[:, 0]

    return mean_by_rows(student, loss_of)


def cosine(
    student: torch.Tensor, labels: SoftLabels, hard: torch.Tensor, temperature: float
) -> torch.Tensor:
    """GIFT's loss: 1 - cosine of the student's logits and the refined labels (arXiv 2405.14736).

    A refined label is the teacher's label plus a tenth of the smoothed hard label, both scaled to
    unit length. Labels that omit classes have no logits for them, so their probabilities are used
    instead.

    Args:
        student: (B, C) logits, of any floating-point type.
        labels: labels of the batch.
        hard: (B,) int64 classes of the images, 0..C-1.
        temperature: temperature of those probabilities.

    Raises:
        MismatchError: logits of another shape than the labels, or no samples.
    """
    check_shape(student, labels)
    value, tail = labels.kept_logits()
    is_whole = bool(torch.isfinite(value).all())
    if labels.index is not None and value.shape[1] < labels.classes:
        is_whole = is_whole and bool(torch.isfinite(tail).all())

    def loss_of(logits: torch.Tensor, part: slice) -> torch.Tensor:
        rows = labels.rows(part)
        teacher = rows.logits() if is_whole else rows.probabilities(temperature)
        smooth = torch.full_like(teacher, HARD_SMOOTHING / max(labels.classes - 1, 1))
        smooth.scatter_(1, hard[part, None], 1 - HARD_SMOOTHING)
        refined = F.normalize(teacher, dim=1) + HARD_SHARE * F.normalize(smooth, dim=1)
        return 1 - F.cosine_similarity(logits, refined, dim=1)

    return mean_by_rows(student, loss_of)

"""What a student's logits are compared with the teacher's labels by."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from labelcodec.replay.labels import SoftLabels

HARD_SHARE, HARD_SMOOTHING = 0.1, 0.1  # GIFT's (arXiv 2405.14736)


def target(labels: SoftLabels, temperature: float, smoothing: float = 0.0) -> torch.Tensor:
    """(B, C) probabilities that the student should give.

    Args:
        labels: of the batch.
        temperature: at which they are read.
        smoothing: share of the uniform distribution mixed in, 0..1.
    """
    wanted = labels.probabilities(temperature)
    return (
        wanted
        if smoothing == 0
        else wanted.lerp(torch.full_like(wanted, 1 / labels.classes), smoothing)
    )


def kl(student: torch.Tensor, wanted: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean KL(wanted || softmax(student / temperature)), in nats.

    Args:
        student: (B, C) logits.
        wanted: (B, C) probabilities.
        temperature: the student's: its own where the two are calibrated, else the teacher's.
    """
    return F.kl_div(F.log_softmax(student / temperature, dim=1), wanted, reduction="batchmean")


def mse(student: torch.Tensor, labels: SoftLabels) -> torch.Tensor:
    """Mean squared difference of logits over the classes that the labels hold.

    Both are centred on those classes first: a shift says nothing, and codecs may drop it.
    """
    teacher = labels.logits()
    held = torch.isfinite(teacher)
    count = held.sum(dim=1, keepdim=True).clamp_min(1)
    difference = torch.where(held, student - teacher.masked_fill(~held, 0), 0)
    centred = difference - difference.sum(dim=1, keepdim=True) / count
    return (torch.where(held, centred, 0).square().sum(dim=1) / count[:, 0]).mean()


def cosine(
    student: torch.Tensor, labels: SoftLabels, hard: torch.Tensor, temperature: float
) -> torch.Tensor:
    """GIFT's loss: 1 - cosine of the student's logits and the refined labels (arXiv 2405.14736).

    The teacher's label and a tenth of the smoothed hard one, each of length 1, are added up. Where
    labels leave classes out there are no logits to compare with: probabilities take their place.

    Args:
        student: (B, C) logits.
        labels: of the batch.
        hard: (B,) int64 classes of the images.
        temperature: at which labels that leave classes out are read.
    """
    teacher = labels.logits()
    if not torch.isfinite(teacher).all():
        teacher = labels.probabilities(temperature)
    smooth = torch.full_like(teacher, HARD_SMOOTHING / max(labels.classes - 1, 1))
    smooth.scatter_(1, hard[:, None], 1 - HARD_SMOOTHING)
    refined = F.normalize(teacher, dim=1) + HARD_SHARE * F.normalize(smooth, dim=1)
    return 1 - F.cosine_similarity(student, refined, dim=1).mean()

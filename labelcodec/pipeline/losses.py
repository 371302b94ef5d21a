"""Training losses."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from labelcodec.replay.soft_labels import SoftLabels

HARD_SHARE, HARD_SMOOTHING = 0.1, 0.1  # as in GIFT (arXiv 2405.14736)


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


def kl(student: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean KL(targets || softmax(student / temperature)) over samples, in nats.

    Args:
        student: (B, C) logits.
        targets: (B, C) probabilities.
        temperature: temperature of the student: its own with calibrated alignment, else that of
            the labels.
    """
    return F.kl_div(F.log_softmax(student / temperature, dim=1), targets, reduction="batchmean")


def hard(
    student: torch.Tensor,
    classes: torch.Tensor,
    partner_classes: torch.Tensor | None,
    partner_share: float,
    smoothing: float = 0.0,
) -> torch.Tensor:
    """Mean cross-entropy to the classes of the images, over samples, in nats.

    A mixed image has two classes, weighted by their shares of it.

    Args:
        student: (B, C) logits.
        classes: (B,) int64 classes of the images, 0..C-1.
        partner_classes: (B,) int64 classes of the images that they were mixed with; None where no
            image was mixed.
        partner_share: share of the partner in every mixed image, 0..1.
        smoothing: share of the uniform distribution mixed into the targets, 0..1.
    """
    own = F.cross_entropy(student, classes, label_smoothing=smoothing)
    if partner_classes is None:
        return own
    partner = F.cross_entropy(student, partner_classes, label_smoothing=smoothing)
    return (1 - partner_share) * own + partner_share * partner


def mse(student: torch.Tensor, labels: SoftLabels) -> torch.Tensor:
    """Mean squared difference of logits, over the classes that the labels hold.

    Both sides are centred over those classes first, because a constant added to all logits does
    not change the softmax, and codecs may drop it.

    Args:
        student: (B, C) logits.
        labels: labels of the batch.
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

    A refined label is the teacher's label plus a tenth of the smoothed hard label, both scaled to
    unit length. Labels that omit classes have no logits for them, so their probabilities are used
    instead.

    Args:
        student: (B, C) logits.
        labels: labels of the batch.
        hard: (B,) int64 classes of the images, 0..C-1.
        temperature: temperature of those probabilities.
    """
    teacher = labels.logits()
    if not torch.isfinite(teacher).all():
        teacher = labels.probabilities(temperature)
    smooth = torch.full_like(teacher, HARD_SMOOTHING / max(labels.classes - 1, 1))
    smooth.scatter_(1, hard[:, None], 1 - HARD_SMOOTHING)
    refined = F.normalize(teacher, dim=1) + HARD_SHARE * F.normalize(smooth, dim=1)
    return 1 - F.cosine_similarity(student, refined, dim=1).mean()

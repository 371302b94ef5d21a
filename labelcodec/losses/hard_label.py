"""Cross-entropy to the classes of images."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def hard(
    student: torch.Tensor,
    classes: torch.Tensor,
    partner_classes: torch.Tensor | None = None,
    partner_share: float = 0.0,
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
    own = F.cross_entropy(student.float(), classes, label_smoothing=smoothing)
    if partner_classes is None:
        return own
    partner = F.cross_entropy(student.float(), partner_classes, label_smoothing=smoothing)
    return (1 - partner_share) * own + partner_share * partner

"""Losses of many positions without the logits of all of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.checkpoint import checkpoint

from labelcodec.errors import MismatchError
from labelcodec.replay.soft_labels import SoftLabels
from labelcodec.wording import counted


def in_chunks(
    loss: Callable[[torch.Tensor, SoftLabels], torch.Tensor],
    hidden: torch.Tensor,
    head: Callable[[torch.Tensor], torch.Tensor],
    labels: SoftLabels,
    positions: int = 1024,
) -> torch.Tensor:
    """Mean loss over positions; logits of a few positions at a time are in memory.

    They are computed again for the gradient. With a vocabulary of 150 000 tokens, 16 384 positions
    would have 10 GB of logits, and 1024 have 0.6.

    Args:
        loss: mean loss of (n, C) logits and n labels.
        hidden: (N, d) inputs of the head.
        head: the student's last layer, from (n, d) to (n, C) logits.
        labels: N labels.
        positions: largest number of positions at a time, 1 and more.

    Raises:
        MismatchError: another number of positions than labels, or none.

    Example:
        >>> hidden = model.backbone(batch.tokens).flatten(0, 1)[batch.predictor]
        >>> loss = losses.in_chunks(
        ...     lambda logits, labels: losses.kl(logits, labels, 1.0),
        ...     hidden, model.head, batch.labels,
        ... )
    """
    if len(hidden) != len(labels) or not len(labels):
        raise MismatchError(f"{len(hidden)} positions for {counted(len(labels), 'label')}")

    def part_loss(rows: torch.Tensor, part: SoftLabels) -> torch.Tensor:
        return loss(head(rows), part) * len(part)

    total = torch.zeros((), device=hidden.device)
    for first in range(0, len(hidden), positions):
        rows = slice(first, first + positions)
        total = total + checkpoint(part_loss, hidden[rows], labels.rows(rows), use_reentrant=False)
    return total / len(hidden)

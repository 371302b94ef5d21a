"""Chunks give the loss and the gradients of all positions at once."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from labelcodec import losses
from labelcodec.replay.soft_labels import SoftLabels


def kl(logits: torch.Tensor, labels: SoftLabels) -> torch.Tensor:
    return losses.kl(logits, labels, 2.0)


@pytest.mark.parametrize("positions", [1, 4, 7, 100])
def test_chunks_change_nothing(positions) -> None:
    torch.manual_seed(0)
    head, hidden = nn.Linear(5, 11), torch.randn(10, 5, requires_grad=True)
    value, index = torch.randn(10, 11).topk(3)
    labels = SoftLabels(11, value, index, tail="zero")
    sizes: list[int] = []

    def counted(rows: torch.Tensor) -> torch.Tensor:
        sizes.append(len(rows))
        return head(rows)

    kl(head(hidden), labels).backward()
    expected = [tensor.grad.clone() for tensor in (hidden, *head.parameters())]
    for tensor in (hidden, *head.parameters()):
        tensor.grad = None
    loss = losses.in_chunks(kl, hidden, counted, labels, positions)
    torch.testing.assert_close(loss, kl(head(hidden), labels))
    loss.backward()
    for tensor, gradient in zip((hidden, *head.parameters()), expected, strict=True):
        torch.testing.assert_close(tensor.grad, gradient)
    assert max(sizes) == min(positions, 10)

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelcodec import losses
from labelcodec.losses import rows
from labelcodec.losses.calibration import (
    GRID,
    best_temperature,
    cross_entropies,
    student_temperature,
)
from labelcodec.replay.soft_labels import SoftLabels


@pytest.mark.parametrize("temperature", [0.01, 0.07, 0.33, 0.5, 1.0])
def test_the_temperature_that_was_used_is_found(temperature: float) -> None:
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 9)).astype(np.float32))
    logits *= temperature
    assert student_temperature(logits, SoftLabels(9, logits), temperature) == temperature


def test_beyond_the_grid_its_ends_are_nearest() -> None:
    logits = torch.randn(40, 9, generator=torch.Generator().manual_seed(0))
    assert student_temperature(logits, SoftLabels(9, logits), 3.0) == 1.0
    assert student_temperature(logits, SoftLabels(9, logits), 0.001) == 0.01


def test_the_grid() -> None:
    assert len(GRID) == 100
    assert (GRID[0], GRID[-1]) == (0.01, 1.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("tail", [None, "zero", "floor"])
def test_cross_entropies_are_those_of_dense_targets(monkeypatch, tail, smoothing) -> None:
    """Whatever number of samples is read at once."""
    draws = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(7, 9, generator=draws) * 3 for _ in range(2))
    labels = SoftLabels(9, teacher)
    if tail is not None:
        value, index = teacher.topk(4)
        floor = teacher.amin(dim=1) if tail == "floor" else None
        labels = SoftLabels(9, value, index, tail=tail, floor=floor)
    targets = losses.target(labels, 2.0, smoothing).double()
    expected = [-(targets * torch.log_softmax(student.double() / t, dim=1)).sum() for t in GRID]
    monkeypatch.setattr(rows, "AT_ONCE", 20)
    sums = cross_entropies(student, labels, 2.0, smoothing)
    torch.testing.assert_close(sums.double(), torch.stack(expected), rtol=1e-5, atol=1e-4)
    assert best_temperature(sums) == GRID[int(torch.stack(expected).argmin())]

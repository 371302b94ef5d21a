from __future__ import annotations

import numpy as np
import pytest
import torch

from labelcodec.pipeline.calibration import GRID, student_temperature


@pytest.mark.parametrize("temperature", [0.01, 0.07, 0.33, 0.5, 1.0])
def test_the_temperature_that_was_used_is_found(temperature: float) -> None:
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 9)).astype(np.float32))
    logits *= temperature
    wanted = torch.softmax(logits / temperature, dim=1)
    assert student_temperature(logits, wanted) == temperature


def test_beyond_the_grid_its_ends_are_nearest() -> None:
    logits = torch.randn(40, 9, generator=torch.Generator().manual_seed(0))
    assert student_temperature(logits, torch.softmax(logits / 3, dim=1)) == 1.0
    assert student_temperature(logits, torch.softmax(logits / 0.001, dim=1)) == 0.01


def test_the_grid() -> None:
    assert len(GRID) == 100
    assert (GRID[0], GRID[-1]) == (0.01, 1.0)

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Dataset

from labelcodec.errors import ConfigError
from labelcodec.pipeline.distributed import process
from labelcodec.replay.loading import iterate_loader


def test_processes_wait_for_one_that_works_for_all(monkeypatch) -> None:
    """Torch gives up after half an hour, ten minutes on GPUs."""
    seen = {}
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(dist, "init_process_group", lambda _, **given: seen.update(given))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    with process("cpu") as here:
        assert (here.rank, here.world) == (0, 2)
    assert seen["timeout"] >= timedelta(days=1)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"WORLD_SIZE": "2", "RANK": "0"}, "MASTER_ADDR expected, but not set; start"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', not a number"),
    ],
)
def test_half_an_environment(monkeypatch, given, problem: str) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=problem), process("cpu"):
        pass


class Doomed(Dataset[int]):
    """Kills the worker that loads its second item."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        if index:
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGKILL)
        return index


def test_a_worker_that_is_killed_during_a_step() -> None:
    """Torch tells it from a signal handler, wherever the program is."""
    with pytest.raises(ChildProcessError, match="use fewer `workers`"), process("cpu"):
        items = iterate_loader(DataLoader(Doomed(), batch_size=None, num_workers=1))
        next(items)
        for _ in range(1000):
            time.sleep(0.01)
            torch.zeros(1)

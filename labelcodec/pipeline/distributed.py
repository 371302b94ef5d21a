"""One process of several, as torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Process:
    """Which of how many this is, and the device it works on.

    Attributes:
        rank: 0..world - 1.
        world: processes in all.
        device: its own GPU, or the CPU.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this one writes and prints for all."""
        return self.rank == 0


@contextmanager
def process(device: str | None = None) -> Iterator[Process]:
    """Join the group that torchrun's environment describes; alone where there is none.

    Args:
        device: 'cpu', 'cuda', ...; by default a GPU where there is one.
    """
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    place = torch.device(kind)
    if place.type == "cuda" and place.index is None:
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(place)
    if world == 1:
        yield Process(0, 1, place)
        return
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Process(rank, world, place)
    finally:
        dist.destroy_process_group()

"""One process of several, as torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from labelcodec.errors import ConfigError


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

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self.sums(0)

    def shared(self, value: bytes | None) -> bytes | None:
        """The first process's value, which all processes must ask for."""
        given = [value]
        if self.world > 1:
            dist.broadcast_object_list(given, 0)
        return given[0]

    def sums(self, *numbers: int) -> list[int]:
        """Each number added up over all processes, which must all ask."""
        if self.world == 1:
            return list(numbers)
        shared = torch.tensor(numbers, dtype=torch.int64, device=self.device)
        dist.all_reduce(shared)
        found: list[int] = shared.tolist()
        return found


def rank() -> int:
    """Which of the processes that torchrun started this is; 0 without it."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def process(device: str | None = None) -> Iterator[Process]:
    """Join the group that torchrun's environment describes; alone where there is none.

    Inside of another one, it is the same group.

    Args:
        device: 'cpu', 'cuda', ...; by default a GPU where there is one.

    Raises:
        ConfigError: no such device.
        ConnectionError: another process has failed.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(kind)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {kind!r}: {str(error).splitlines()[0]}") from None
    if place.type == "cuda" and place.index is None:
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(place)
    if world == 1:
        yield Process(0, 1, place)
        return
    if dist.is_initialized():
        yield Process(rank(), world, place)
        return
    try:
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
        yield Process(rank(), world, place)
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error):
            what = f"process {rank()} of {world} lost the others; one of them says why"
            raise ConnectionError(what) from error
        raise
    # a process that fails keeps its connections until it has said why
    dist.destroy_process_group()

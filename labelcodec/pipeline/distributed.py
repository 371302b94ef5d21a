"""One process of several, as torchrun starts them."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.distributed.nn  # its default arguments hold a group for ever that is there before them

from labelcodec.errors import ConfigError
from labelcodec.replay.loading import worker_deaths

PATIENCE = timedelta(days=1)  # others wait while one fits tables or measures a student for all


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


def check_shared(batches: int, world: int) -> None:
    """Refuse to share so few batches among so many processes.

    Raises:
        ConfigError: one would be left without.
    """
    if batches < world:
        raise ConfigError(f"more processes ({world}) than batches ({batches}); start fewer")


def rank() -> int:
    """Which of the processes that torchrun started this is; 0 without it."""
    return _told("RANK", 0)


@contextmanager
def process(device: str | None = None) -> Iterator[Process]:
    """Join the group that torchrun's environment describes; alone where there is none.

    Inside of another one, it is the same group.

    Args:
        device: 'cpu', 'cuda', ...; by default a GPU where there is one.

    Raises:
        ConfigError: no such device, or half an environment.
        ConnectionError: another process has failed.
        ChildProcessError: a process that loads images was killed.
    """
    world, place = _told("WORLD_SIZE", 1), _device(device)
    if world == 1 or dist.is_initialized():
        with worker_deaths():
            yield Process(rank() if world > 1 else 0, world, place)
        return
    try:
        _join(place)
        with worker_deaths():
            yield Process(rank(), world, place)
    except RuntimeError as error:
        if is_loss(error):
            what = f"process {rank()} of {world} lost the others; one of them says why"
            raise ConnectionError(what) from error
        raise
    # a process that fails keeps its connections until it has said why
    dist.destroy_process_group()
    # the group's threads end with its last user; at Python's end they would abort the process
    gc.collect()


def _join(place: torch.device) -> None:
    try:
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo", timeout=PATIENCE)
    except ValueError as error:
        raise ConfigError(f"{error}; start the processes with torchrun") from None


def is_loss(error: BaseException) -> bool:
    """Whether torch tells that another process has gone."""
    lost = isinstance(error, dist.DistError) or "gloo" in str(error)
    return isinstance(error, RuntimeError) and lost


def _device(wanted: str | None) -> torch.device:
    kind = wanted or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(kind)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {kind!r}: {str(error).splitlines()[0]}") from None
    if place.type == "cuda" and place.index is None:
        place = torch.device("cuda", _told("LOCAL_RANK", 0))
        torch.cuda.set_device(place)
    return place


def _told(name: str, default: int) -> int:
    """A number of torchrun's environment."""
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise ConfigError(f"the environment's {name} is {text!r}, not a number")
    return int(text)

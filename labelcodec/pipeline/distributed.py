"""Process groups under torchrun, or a single process without it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.distributed.nn  # before any group exists: default arguments would keep it alive

from labelcodec.errors import ConfigError
from labelcodec.parts import local_rank, rank, world_size
from labelcodec.replay.checked_device import checked_device
from labelcodec.replay.loading import worker_deaths

# The other processes wait while one fits tables or evaluates a student for all.
TIMEOUT = timedelta(days=1)


@dataclass(frozen=True)
class Process:
    """This process: its rank, the number of processes, and its device.

    Attributes:
        rank: 0..world - 1.
        world: number of processes.
        device: the process's own GPU, or the CPU.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which writes and prints for all processes."""
        return self.rank == 0

    def told(self, note: Callable[[str], None]) -> Callable[[str], None]:
        """Where this process's notes go: to the user from rank 0, nowhere from the others."""
        return note if self.first else _silent

    def wait(self) -> None:
        """Barrier: block until all processes have called this."""
        self.sums(0)

    def shared(self, value: bytes | None) -> bytes | None:
        """Broadcast the value of rank 0; all processes must call this."""
        values = [value]
        if self.world > 1:
            dist.broadcast_object_list(values, 0)
        return values[0]

    def sums(self, *numbers: int) -> list[int]:
        """Sum each number over all processes; all processes must call this."""
        if self.world == 1:
            return list(numbers)
        summed = torch.tensor(numbers, dtype=torch.int64, device=self.device)
        dist.all_reduce(summed)
        totals: list[int] = summed.tolist()
        return totals


def _silent(line: str) -> None:
    """The notes of processes other than the first."""


def check_shared(batches: int, world: int) -> None:
    """Check that every process gets at least one batch.

    Raises:
        ConfigError: there are fewer batches than processes.
    """
    if batches < world:
        raise ConfigError(f"more processes ({world}) than batches ({batches}); start fewer")


@contextmanager
def process(device: str | None = None) -> Iterator[Process]:
    """Join the process group that torchrun's environment describes; without one, run alone.

    A nested call uses the group that was joined already.

    Args:
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.

    Raises:
        ConfigError: no such device, or an incomplete environment.
        ConnectionError: another process has failed.
        ChildProcessError: a process that loads images was killed.
    """
    world, torch_device = world_size(), _device(device)
    if world == 1 or dist.is_initialized():
        with worker_deaths():
            yield Process(rank() if world > 1 else 0, world, torch_device)
        return
    try:
        _join(torch_device)
        with worker_deaths():
            yield Process(rank(), world, torch_device)
    except RuntimeError as error:
        if is_loss(error):
            message = (
                f"process {rank()} of {world} lost contact with the others; one of them reports why"
            )
            raise ConnectionError(message) from error
        raise
    # after an error the group is kept, so that the failed process can report the reason first
    dist.destroy_process_group()
    # drop the last reference to the group: its threads would abort the process at exit
    gc.collect()


def _join(device: torch.device) -> None:
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    except ValueError as error:
        raise ConfigError(f"{error}; start the processes with torchrun") from None


def is_loss(error: BaseException) -> bool:
    """Whether an error is torch's report of a lost process."""
    is_distributed = isinstance(error, dist.DistError) or "gloo" in str(error)
    return isinstance(error, RuntimeError) and is_distributed


def _device(name: str | None) -> torch.device:
    device = checked_device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", local_rank())
        torch.cuda.set_device(device)
    return device

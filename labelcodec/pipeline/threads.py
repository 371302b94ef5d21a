"""Thread count of torch. The last bits of floating-point sums depend on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from labelcodec import threads

OPENMP = "OMP_NUM_THREADS"


def thread_count() -> int:
    """Number of threads that torch computes with."""
    return torch.get_num_threads()


@contextmanager
def torch_threads() -> Iterator[None]:
    """Let torch use as many threads as `labelcodec.threads.thread_count` says, and no more after.

    LABELCODEC_THREADS decides; without it OMP_NUM_THREADS, which torch itself follows; without
    both, torch's own number is lowered to that of the CPUs that this process may use. A program of
    the user's sets torch's threads itself: only the commands call this.

    Raises:
        ConfigError: LABELCODEC_THREADS is not a whole number from 1 to 4096.
    """
    before = torch.get_num_threads()
    if os.environ.get(threads.VARIABLE):
        torch.set_num_threads(threads.thread_count())
    elif not os.environ.get(OPENMP):
        torch.set_num_threads(min(before, threads.usable_cpus()))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def thread_change_note(path: Path, before: int, now: int) -> str:
    """Note for the user that a run is resumed with another number of threads.

    Args:
        path: the file that the run is resumed from.
        before: number of threads when it was written.
        now: number of threads now.
    """
    return (
        f"{path}: torch had threads={before} and has threads={now} now; the run continues, but not "
        f"to the same bits as an uninterrupted run (for those, resume with `threads={before}` on "
        f"as many cores, or torch.set_num_threads({before}) in a program)"
    )

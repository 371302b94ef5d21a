"""Thread count of torch. The last bits of floating-point sums depend on it."""

from __future__ import annotations

from pathlib import Path

import torch


def thread_count() -> int:
    """Number of threads torch computes with; OMP_NUM_THREADS sets it for torch and BLAS alike."""
    return torch.get_num_threads()


def thread_change_note(path: Path, before: int, now: int) -> str:
    """Note for the user that a run is resumed with another number of threads.

    Args:
        path: the file that the run is resumed from.
        before: number of threads when it was written.
        now: number of threads now.
    """
    return (
        f"{path}: torch had threads={before} and has threads={now} now; the run continues, but not "
        "to the same bits as an uninterrupted run (for those, resume with "
        f"OMP_NUM_THREADS={before} on as many cores)"
    )

"""Threads share a sum out among them: the last bits of it depend on how many they are."""

from __future__ import annotations

from pathlib import Path

import torch


def count() -> int:
    """Threads that torch computes with, and BLAS where both are told by OMP_NUM_THREADS."""
    return torch.get_num_threads()


def another(path: Path, before: int, now: int) -> str:
    """What to say where a run goes on from a file with another number of threads."""
    return (
        f"{path}: torch had threads={before} and has threads={now} now; the run goes on, but not "
        "to the same bits as if it had not stopped "
        f"(OMP_NUM_THREADS={before} does, on as many cores)"
    )

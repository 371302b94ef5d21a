"""Regrouping of recorded batches into optimiser steps of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from labelcodec.errors import MismatchError
from labelcodec.replay.replay_batch import ReplayBatch
from labelcodec.wording import counted


@dataclass(frozen=True)
class StepSize:
    """What one process contributes to an optimiser step.

    Attributes:
        samples: number of samples; None for whole recorded batches.
        batches: number of recorded batches, if `samples` is None.
    """

    samples: int | None
    batches: int = 1


def step_size(batch_size: int | None, started: int, processes: int) -> StepSize:
    """The share of each process in steps as large as on the processes that a run started on.

    Args:
        batch_size: samples per step and process when it started; None for one recorded batch.
        started: number of processes when it started.
        processes: number of processes now.

    Raises:
        MismatchError: the steps cannot be shared out evenly.
    """
    total = (batch_size or 1) * started
    if total % processes:
        what = "recorded batches" if batch_size is None else "samples"
        raise MismatchError(
            f"the run was started on {counted(started, 'process')}, with {total} {what} per step, "
            f"which {counted(processes, 'process')} cannot share out evenly; go on with {started}"
        )
    share = total // processes
    return StepSize(None, share) if batch_size is None else StepSize(share)


def rebatch(batches: Iterable[ReplayBatch], size: StepSize) -> Iterator[list[ReplayBatch]]:
    """Yield, for each optimiser step, the slices of recorded batches that make it up.

    A finished batch can be sliced anywhere, because its images are mixed already.

    Args:
        batches: finished batches, in order.
        size: of the steps; the last one may be smaller.
    """
    if size.samples is None:
        iterator = iter(batches)
        while step := list(islice(iterator, size.batches)):
            yield step
        return
    parts: list[ReplayBatch] = []
    missing = size.samples
    for batch in batches:
        first = 0
        while first < len(batch):
            part = batch.rows(slice(first, first + missing))
            parts.append(part)
            first += len(part)
            missing -= len(part)
            if missing == 0:
                yield parts
                parts, missing = [], size.samples
    if parts:
        yield parts

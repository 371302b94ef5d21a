"""Regrouping of recorded batches into optimiser steps of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labelcodec.replay.dataset import ReplayBatch


def rebatch(batches: Iterable[ReplayBatch], size: int | None) -> Iterator[list[ReplayBatch]]:
    """Yield, for each optimiser step, the slices of recorded batches that make it up.

    A finished batch can be sliced anywhere, because its images are mixed already.

    Args:
        batches: finished batches, in order.
        size: samples per step, of which the last step may have fewer; None for one recorded batch
            per step.
    """
    parts: list[ReplayBatch] = []
    missing = size or 0
    for batch in batches:
        if size is None:
            yield [batch]
            continue
        first = 0
        while first < len(batch):
            part = batch.rows(slice(first, first + missing))
            parts.append(part)
            first += len(part)
            missing -= len(part)
            if missing == 0:
                yield parts
                parts, missing = [], size
    if parts:
        yield parts

"""Recorded batches to optimiser steps of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labelcodec.replay.dataset import ReplayBatch


def regroup(batches: Iterable[ReplayBatch], size: int | None) -> Iterator[list[ReplayBatch]]:
    """Parts of recorded batches that make up one step each.

    Samples were mixed with partners of their own batch before, so that a batch can be cut anywhere.

    Args:
        batches: recorded batches in order.
        size: samples a step, the last one may have fewer; None for one recorded batch a step.
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

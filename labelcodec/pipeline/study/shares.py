"""The share of a study's cells that a process computes: of a job array, under torchrun, or all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from labelcodec.parts import WHOLE, Part, check_part, of_this_process, share

T = TypeVar("T")
GROUP = ("RANK", "WORLD_SIZE")


def share_of(items: Sequence[T], only: Part | None) -> list[T]:
    """This process's share: consecutive items, which have most of their stages in common.

    Args:
        items: all items, the same in all processes.
        only: (I, N), the I-th of N shares, from 1; None for all. Under torchrun, its processes
            share this share.

    Raises:
        ConfigError: I is not in 1..N.
    """
    part = WHOLE if only is None else only
    check_part(part, "only")
    positions = share(len(items), of_this_process(part))
    return list(items[positions.start : positions.stop])


@contextmanager
def alone() -> Iterator[None]:
    """Hide torchrun's group from the pipeline: each process computes its own cells by itself."""
    hidden = {name: os.environ.pop(name) for name in GROUP if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)

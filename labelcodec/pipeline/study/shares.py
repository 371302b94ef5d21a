"""The share of a study's cells that a process computes: of a job array, under torchrun, or all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from labelcodec.errors import ConfigError
from labelcodec.pipeline.distributed import rank, world_size

T = TypeVar("T")
GROUP = ("RANK", "WORLD_SIZE")


def share_of(items: Sequence[T], only: tuple[int, int] | None) -> list[T]:
    """This process's share: consecutive items, which have most of their stages in common.

    Args:
        items: all items, the same in all processes.
        only: (I, N), the I-th of N shares, from 1; None for all. Under torchrun, its processes
            share this share.

    Raises:
        ConfigError: I is not in 1..N.
    """
    index, count = (1, 1) if only is None else only
    if not 1 <= index <= count:
        raise ConfigError(f"`only` is {index}/{count}, allowed are 1/{count}..{count}/{count}")
    index, count = (index - 1) * world_size() + rank(), count * world_size()
    return list(items[index * len(items) // count : (index + 1) * len(items) // count])


@contextmanager
def alone() -> Iterator[None]:
    """Hide torchrun's group from the pipeline: each process computes its own cells by itself."""
    hidden = {name: os.environ.pop(name) for name in GROUP if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)

"""Parts of a job that several processes do: those of a job array, and those of torchrun."""

from __future__ import annotations

import os

from labelcodec.errors import ConfigError

Part = tuple[int, int]  # (I, N): the I-th of N parts, from 1
WHOLE: Part = (1, 1)


def rank() -> int:
    """Rank of this process under torchrun; 0 without it."""
    return _environment_number("RANK", 0)


def world_size() -> int:
    """Number of processes under torchrun; 1 without it."""
    return _environment_number("WORLD_SIZE", 1)


def local_rank() -> int:
    """Rank of this process among those of its machine under torchrun; 0 without it."""
    return _environment_number("LOCAL_RANK", 0)


def local_world_size() -> int:
    """Number of processes on this machine under torchrun; 1 without it."""
    return max(_environment_number("LOCAL_WORLD_SIZE", 1), 1)


def of_this_process(part: Part) -> Part:
    """The part of this process: under torchrun, its processes divide a part among themselves.

    Raises:
        ConfigError: the environment's ranks are not numbers.
    """
    index, count = part
    return (index - 1) * world_size() + rank() + 1, count * world_size()


def share(items: int, part: Part) -> range:
    """Positions of the items that belong to a part: consecutive ones, which are read together.

    All parts together have every item once; their numbers of items differ by 1 at most.
    """
    index, count = part
    return range((index - 1) * items // count, index * items // count)


def check_part(part: Part, name: str) -> None:
    """Check that I is in 1..N.

    Args:
        part: (I, N).
        name: name of the parameter, for the error message.

    Raises:
        ConfigError: it is not.
    """
    index, count = part
    if not 1 <= index <= count:
        raise ConfigError(f"`{name}` is {index}/{count}, allowed are 1/{count}..{count}/{count}")


def _environment_number(name: str, default: int) -> int:
    """An integer from torchrun's environment variables."""
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise ConfigError(f"the environment's {name} is {text!r}, not a number")
    return int(text)

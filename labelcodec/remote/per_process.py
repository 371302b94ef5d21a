"""Values that a forked process must not share with its parent: connections, locks, threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that each process makes on first use.

    It takes no lock, which a fork might copy while it is held. Of several threads that come first
    at the same time, each may make a value; they all get the same one.

    Args:
        make: makes the value of a process.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[int, T] = {}

    def __call__(self) -> T:
        """The value of this process."""
        process = os.getpid()
        if process not in self._values:
            return self._values.setdefault(process, self._make())
        return self._values[process]

"""Speed of training, and the share of time that it waits for batches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Speed:
    """How fast a process trained during an epoch.

    Attributes:
        images_per_second: samples of this process per second.
        waiting: share of the time that passed before a batch was there, 0..1.
    """

    images_per_second: float
    waiting: float


class Stopwatch:
    """Measures an epoch from its construction on."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._waited = 0.0

    def watched(self, batches: Iterable[T]) -> Iterator[T]:
        """Yield the batches, and add up the time that each takes to come."""
        iterator = iter(batches)
        while True:
            before = time.perf_counter()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            finally:
                self._waited += time.perf_counter() - before
            yield batch

    def speed(self, samples: int) -> Speed:
        """The speed so far; to be called once the device has finished the epoch."""
        seconds = time.perf_counter() - self._start
        return Speed(round(samples / seconds, 1), round(self._waited / seconds, 4))

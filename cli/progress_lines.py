"""Progress without a terminal: a line now and then, for logs of runs that take long."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

EVERY = 30.0  # seconds


@dataclass
class ProgressLines:
    """A progress callback that prints a line at most every 30 seconds, the first after as many.

    Attributes:
        what: the job, in a few words.
        write: prints a line.
        clock: seconds since some moment.
    """

    what: str
    write: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def __call__(self, done: int, total: int, /, doing: str | None = None) -> None:
        """Receive a progress report."""
        now = self.clock()
        if now - self._last < EVERY:
            return
        self._last = now
        self.write(f"{doing or self.what}: {done} of {total}")

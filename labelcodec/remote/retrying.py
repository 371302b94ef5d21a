"""Repeated attempts at what fails for a moment: busy servers, lost connections, short answers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from labelcodec.errors import RemoteError
from labelcodec.remote.remote_file import RemoteFile

ATTEMPTS = 8
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 60.0  # seconds
T = TypeVar("T")


class Transient(Exception):
    """A failure that may be over at the next attempt.

    Attributes:
        after: seconds that the server asks to wait; None if it does not say.
    """

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


def retried(attempt: Callable[[], T], file: RemoteFile) -> T:
    """Result of the first attempt that does not fail, with growing pauses between attempts.

    Raises:
        RemoteError: all attempts failed; the message says how the last one did.
        Exception: what an attempt raises and is not `Transient`.
    """
    problem = Transient("")
    for count in range(ATTEMPTS):
        if count:
            time.sleep(_pause(count, problem.after))
        try:
            return attempt()
        except Transient as error:
            problem = error
    raise RemoteError(
        f"{file}: {problem}, {ATTEMPTS} times in a row; check the network and try again later"
    )


def _pause(count: int, after: float | None) -> float:
    """Seconds before attempt `count`, at least those that the server asks for, up to a minute."""
    grown = FIRST_PAUSE * 2.0 ** (count - 1) * random.uniform(0.5, 1.0)
    return min(max(grown, after or 0.0), LONGEST_PAUSE)

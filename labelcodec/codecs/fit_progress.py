"""Progress of a fit that takes long: whoever fits a codec may listen to its training steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[int, int], None]

_listener: ContextVar[Listener | None] = ContextVar("fit_progress", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener` with (steps done, steps at most) from fits inside the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def shown(progress: Callable[[int, int, str], None] | None, name: str) -> Iterator[None]:
    """Show the steps of a codec's fit as a command's progress.

    Args:
        progress: called with (steps done, steps at most, activity); None shows nothing.
        name: of the codec.
    """
    if progress is None:
        yield
        return
    with listening(lambda done, total: progress(done, total, f"training the tables of {name}")):
        yield


def report(done: int, total: int) -> None:
    """Tell the listener, if there is one.

    Args:
        done: steps done.
        total: most steps; a fit may stop before.
    """
    listener = _listener.get()
    if listener is not None:
        listener(done, total)

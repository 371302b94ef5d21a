"""Threads that fetch in the background. They are daemons: a program that ends does not wait."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread

THREADS = 16  # fetches at a time
NAME = "labelcodec-fetch"
_Task = tuple["Future[bytes]", Callable[[], bytes]]


class Fetchers:
    """Runs fetches in threads, which are started as they are needed and end with `close`."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._lock = Lock()
        self._threads = self._pending = 0

    def submit(self, fetch: Callable[[], bytes]) -> Future[bytes]:
        """The result of `fetch`, to come."""
        future: Future[bytes] = Future()
        self._tasks.put((future, fetch))
        with self._lock:
            self._pending += 1
            if self._threads < min(THREADS, self._pending):
                self._threads += 1
                work = (self._tasks, self._done)
                Thread(target=_run, name=NAME, args=work, daemon=True).start()
        return future

    def _done(self) -> None:
        with self._lock:
            self._pending -= 1

    def close(self) -> None:
        """End the threads; what they have not begun is cancelled."""
        while not self._tasks.empty():
            task = self._tasks.get()
            if task is not None:
                task[0].cancel()
        for _ in range(self._threads):
            self._tasks.put(None)


def _run(tasks: SimpleQueue[_Task | None], done: Callable[[], None]) -> None:
    while (task := tasks.get()) is not None:
        future, fetch = task
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(fetch())
            except BaseException as error:
                future.set_exception(error)
        done()
        del future, fetch, task

"""A map shared with worker processes, whose results come in order.

Work that would take long is spread over processes, not threads: between two kernels a batch spends
some 0.2 ms in the interpreter, and threads that wait for its lock take longer than one alone
(notes/workers.md).
"""

from __future__ import annotations

import pickle
import selectors
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Self, TypeVar, cast

from labelcodec.threads import thread_count
from labelcodec.workers.process import Chunk, NotStartedError, Reply, WorkerProcess, mapped

WATCHED = 0.05  # seconds of work after which the rest is estimated
WORTHWHILE = 0.5  # seconds of work that a worker is started for
CHUNK = 8  # items per message, at most
AHEAD = 2  # messages in flight per worker: it begins the next without waiting for the caller

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int | None = None
) -> Iterator[Result]:
    """Results of `function`, in the order of the items, whatever the number of processes.

    The caller's process works alone at first. If what is left would take it long, worker processes
    share it as soon as they are ready. A few items per worker are in flight, so that memory stays
    bounded.

    Args:
        function: called once per item. Work is spread only if it can be pickled, and loaded again
            in a process that has not run the caller's main module.
        items: its arguments; they and the results can be pickled.
        threads: most processes at a time, as in `thread_count`.

    Raises:
        Exception: what `function` raised, for the first item that it failed for.
        ChildProcessError: a worker died.
    """
    most = thread_count(threads)
    start = time.monotonic()
    for done, item in enumerate(items):
        if done == 1:
            start = time.monotonic()  # the first item loads what the others find
        seconds = time.monotonic() - start
        count = min(most - 1, _worthwhile(seconds, done - 1, len(items) - done))
        if count > 0:
            if (pool := _start(function, count)) is not None:
                with pool:
                    yield from _shared(pool, function, items[done:])
                return
            most = 1
        yield function(item)


def _shared(
    pool: _Pool, function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[Result]:
    done = 0
    try:
        while done < len(items) and not pool.ready():
            yield function(items[done])
            done += 1
    except NotStartedError:
        pool.stop()
        yield from map(function, items[done:])
        return
    yield from pool.map(function, items[done:])


def _worthwhile(seconds: float, done: int, left: int) -> int:
    """Number of workers that the items left are worth, after `done` others took `seconds`."""
    if done < 1 or seconds < WATCHED:
        return 0
    return int(seconds / done * left / WORTHWHILE)


def _start(function: Callable[..., Any], count: int) -> _Pool | None:
    """Worker processes for a function; None if it cannot be sent, or the system refuses them."""
    message = _pickled(function)
    with suppress(OSError, NotStartedError):
        return None if message is None else _Pool(message, count)
    return None


def _pickled(function: Callable[..., Any]) -> bytes | None:
    """The function for a worker; None if it holds what cannot be sent."""
    try:
        message = pickle.dumps(function, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None
    return None if b"__main__" in message else message


class _Pool:
    """Worker processes that map one function."""

    def __init__(self, function: bytes, count: int) -> None:
        self._workers: list[WorkerProcess] = []
        self._selector = selectors.DefaultSelector()
        try:
            for _ in range(count):
                worker = WorkerProcess(function)
                self._workers.append(worker)
                self._selector.register(worker, selectors.EVENT_READ)
        except BaseException:
            self.stop()
            raise

    def ready(self) -> bool:
        """Whether all workers have started.

        Raises:
            NotStartedError: one does not start.
        """
        self._receive(0)
        return all(worker.started for worker in self._workers)

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        """Results in the order of the items, for which the caller works, too.

        Args:
            function: the one that the workers have loaded.
            items: its arguments.

        Raises:
            Exception: what the function raised, for the first item that it failed for.
            ChildProcessError: a worker died.
        """
        while not self.ready():
            self._receive(None)
        count = len(self._workers)
        size = max(min(CHUNK, len(items) // (2 * (count + 1))), 1)  # so that all get some
        chunks = (Chunk(items[first : first + size]) for first in range(0, len(items), size))
        waiting: deque[Chunk] = deque()  # sent or mapped, in order; results not taken among them
        room = 2 * AHEAD * count
        while True:
            self._send(chunks, waiting, room)
            if not waiting:
                return
            if (reply := waiting[0].reply) is not None:
                waiting.popleft()
                yield from reply.opened()
            elif len(waiting) < room and (own := next(chunks, None)) is not None:
                waiting.append(own)
                self._map_own(function, own, lambda: self._send(chunks, waiting, room))
            else:
                self._receive(None)

    def _receive(self, seconds: float | None) -> None:
        """Receive what workers have answered; if there is nothing, wait up to so many seconds."""
        for key, _ in self._selector.select(seconds):
            cast(WorkerProcess, key.fileobj).receive()

    def _send(self, chunks: Iterator[Chunk], waiting: deque[Chunk], room: int) -> None:
        """Give the next chunks to workers that have less than they can have in flight."""
        self._receive(0)
        for pending in range(AHEAD):
            for worker in self._workers:
                if worker.pending <= pending and len(waiting) < room:
                    chunk = next(chunks, None)
                    if chunk is None:
                        return
                    waiting.append(chunk)
                    worker.send(chunk)

    @staticmethod
    def _map_own(function: Callable[[Any], Any], own: Chunk, after: Callable[[], None]) -> None:
        """Map a chunk in this process; `after` is called after each of its items."""
        results: list[Any] = []
        error = None
        for item in own.items:
            reply = mapped(function, [item])
            results += reply.results
            error = reply.error
            if error is not None:
                break
            after()
        own.reply = Reply(results, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all workers, whatever they are doing."""
        for worker in self._workers:
            worker.stop()
        self._workers = []
        self._selector.close()

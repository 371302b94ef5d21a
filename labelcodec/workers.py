"""A map shared with worker processes, whose results come in order.

Work that would take long is spread over processes, not threads: between two kernels a batch spends
some 0.3 ms in the interpreter, and threads that wait for its lock take longer than one alone
(notes/workers.md). A worker is started with `subprocess`, so that it imports this package and not
the caller's main module.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from threading import Lock
from typing import IO, Any, Self, TypeVar, cast

from labelcodec.errors import LabelcodecError
from labelcodec.threads import VARIABLE, thread_count

WATCHED = 0.1  # seconds of work after which the rest is estimated
WORTHWHILE = 0.5  # seconds of work that a worker is started for
CHUNK = 8  # items per message, at most
AHEAD = 2  # messages in flight per worker: it begins the next without waiting for the caller
_LENGTH = 8  # bytes of a message's length
_PIPE_BYTES = 1 << 20
_OWN_THREADS = (VARIABLE, "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
# What glibc keeps of freed memory, in bytes: a batch takes and frees a megabyte.
_KEPT_MEMORY = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_")

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
            if (message := _pickled(function)) is not None:
                with _Pool(message, count) as pool:
                    yield from _shared(pool, function, items[done:])
                return
            most = 1
        yield function(item)


def _shared(
    pool: _Pool, function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[Result]:
    done = 0
    while done < len(items) and not pool.ready():
        yield function(items[done])
        done += 1
    yield from pool.map(function, items[done:])


def _worthwhile(seconds: float, done: int, left: int) -> int:
    """Number of workers that the items left are worth, after `done` others took `seconds`."""
    if done < 1 or seconds < WATCHED:
        return 0
    return int(seconds / done * left / WORTHWHILE)


def _pickled(function: Callable[..., Any]) -> bytes | None:
    """The function for a worker; None if it holds what cannot be sent."""
    try:
        message = pickle.dumps(function, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None
    return None if b"__main__" in message else message


class _Pool:
    """Worker processes that map one function. Threads here wait for their replies."""

    def __init__(self, function: bytes, count: int) -> None:
        self._count = count
        self._workers: list[_Worker] = []
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        self._threads = ThreadPoolExecutor(AHEAD * count, thread_name_prefix="labelcodec")
        try:
            for _ in range(count):
                self._workers.append(_Worker())
            self._starting = [self._threads.submit(w.start, function) for w in self._workers]
        except BaseException:
            self._stop()
            raise
        for worker in AHEAD * self._workers:
            self._free.put(worker)

    def ready(self) -> bool:
        """Whether all workers have started."""
        return all(start.done() for start in self._starting)

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        """Results in the order of the items, for which the caller works, too.

        Args:
            function: the one that the workers have loaded.
            items: its arguments.

        Raises:
            Exception: what the function raised, for the first item that it failed for.
            ChildProcessError: a worker died.
        """
        for start in self._starting:
            start.result()
        ahead = AHEAD * self._count
        size = max(min(CHUNK, len(items) // (2 * (self._count + 1))), 1)  # so that all get some
        chunks = (items[first : first + size] for first in range(0, len(items), size))
        waiting: deque[Future[_Reply]] = deque()
        while True:
            busy = sum(not reply.done() for reply in waiting)
            room = 2 * ahead - len(waiting)  # results that nobody has taken yet fill it, too
            for chunk in islice(chunks, max(min(ahead - busy, room), 0)):
                waiting.append(self._threads.submit(self._work, chunk))
            own = None
            if waiting and not waiting[0].done() and len(waiting) < 2 * ahead:
                own = next(chunks, None)
            if own is not None:
                waiting.append(_done(_mapped(function, own)))
            elif waiting:
                yield from waiting.popleft().result().opened()
            else:
                return

    def _work(self, chunk: Sequence[Any]) -> _Reply:
        worker = self._free.get()
        try:
            return worker.work(chunk)
        finally:
            self._free.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def _stop(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Reply:
    """Results of a chunk's items up to the first that failed, and its error."""

    results: Sequence[Any]
    error: BaseException | None

    def opened(self) -> Iterator[Any]:
        yield from self.results
        if self.error is not None:
            raise self.error


class _Worker:
    """A worker process and the pipes to it."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        environment = {
            **dict.fromkeys(_KEPT_MEMORY, str(1 << 25)),
            **os.environ,
            "PYTHONPATH": paths,
            **dict.fromkeys(_OWN_THREADS, "1"),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            process_group=0,  # an interrupt from the terminal is for the caller alone
        )
        self._requests = cast(IO[bytes], self._process.stdin)
        self._replies = cast(IO[bytes], self._process.stdout)
        for pipe in (self._requests, self._replies):
            _enlarge(pipe)
        self._sending, self._receiving = Lock(), Lock()

    def start(self, function: bytes) -> None:
        """Have the worker load its function.

        Raises:
            ChildProcessError: it died.
            Exception: what loading the function raised.
        """
        list(self._answer([function]).opened())

    def work(self, chunk: Sequence[Any]) -> _Reply:
        """Have the worker map the chunk, after those that it was sent before.

        Raises:
            ChildProcessError: it died.
        """
        return self._answer([pickle.dumps(chunk, pickle.HIGHEST_PROTOCOL)])

    def _answer(self, request: Sequence[bytes]) -> _Reply:
        try:
            with self._sending:  # until its turn has come to receive: replies come in order
                _send(self._requests, request)
                self._receiving.acquire()
            try:
                reply, *buffers = _receive(self._replies)
            finally:
                self._receiving.release()
        except (EOFError, OSError, ValueError):  # ValueError: a pipe that `stop` closed
            status = self._process.wait()
            raise ChildProcessError(
                f"a worker process died (status {status}), possibly for lack of memory; "
                "use fewer `threads`"
            ) from None
        return cast(_Reply, pickle.loads(reply, buffers=buffers))  # from our own process

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._replies):
            with suppress(OSError):
                pipe.close()


def _enlarge(pipe: IO[bytes]) -> None:
    """Let a pipe hold a whole reply, where the system allows it."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _send(pipe: IO[bytes], message: Sequence[bytes | memoryview]) -> None:
    """Send the parts of a message: a pickle, and the buffers that it leaves out."""
    lengths = [len(message), *(len(part) for part in message)]
    pipe.write(b"".join(length.to_bytes(_LENGTH, "little") for length in lengths))
    for part in message:
        pipe.write(part)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> list[bytes]:
    """The parts of a message."""
    lengths = _exactly(pipe, int.from_bytes(_exactly(pipe, _LENGTH), "little") * _LENGTH)
    return [
        _exactly(pipe, int.from_bytes(lengths[at : at + _LENGTH], "little"))
        for at in range(0, len(lengths), _LENGTH)
    ]


def _exactly(pipe: IO[bytes], count: int) -> bytes:
    data = pipe.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _mapped(function: Callable[[Any], Any], chunk: Sequence[Any]) -> _Reply:
    results = []
    try:
        for item in chunk:
            results.append(function(item))
    except Exception as error:
        return _Reply(results, error)
    return _Reply(results, None)


def _done(reply: _Reply) -> Future[_Reply]:
    future: Future[_Reply] = Future()
    future.set_result(reply)
    return future


def _reply(function: Callable[[Any], Any], chunk: Sequence[Any]) -> list[bytes | memoryview]:
    reply = _mapped(function, chunk)
    if reply.error is not None and not isinstance(reply.error, (LabelcodecError, OSError)):
        trace = "".join(traceback.format_exception(reply.error))
        reply.error.add_note(f"in a worker process: {trace}")
    buffers: list[pickle.PickleBuffer] = []
    message = pickle.dumps(reply, pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
    return [message, *(buffer.raw() for buffer in buffers)]


def main() -> None:
    """Map chunks from standard input to standard output until the caller closes it, or dies."""
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a plug-in prints must not get between the replies
    with suppress(EOFError, BrokenPipeError):
        functions: list[Callable[[Any], Any]] = []  # stays empty if loading fails
        message = _receive(requests)
        _send(replies, _reply(lambda data: functions.append(pickle.loads(data)), message))
        for function in functions:
            while True:
                _send(replies, _reply(function, pickle.loads(*_receive(requests))))


if __name__ == "__main__":
    from labelcodec.workers import main as main_by_name  # replies are pickled by its module's name

    main_by_name()

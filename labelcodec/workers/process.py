"""A worker process that maps a function over chunks of items, and the way to talk to it.

A message is a few numbers in a pipe; what they speak of is in a file that both processes share, so
that a pipe is never full and bytes are not copied through it. The process is started with
`subprocess`, so that it imports this package and not the caller's main module.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import traceback
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, cast

from labelcodec.errors import LabelcodecError
from labelcodec.threads import VARIABLE
from labelcodec.workers.shared_buffers import SharedBuffers, layout, shared_file

LONG = 1 << 14  # bytes: shorter buffers are copied, so that none of them keeps a whole reply
_REQUEST = struct.Struct("=QQ")  # number of the place, bytes of the pickled items
_REPLY = struct.Struct("=QQQ")  # bytes at the place, of which of the pickle; number of buffers
_OWN_THREADS = (VARIABLE, "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
# What glibc keeps of freed memory, in bytes: a batch takes and frees a megabyte.
_KEPT_MEMORY = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_")


class NotStartedError(Exception):
    """A worker process does not start; others can do its work."""


@dataclass(frozen=True)
class Reply:
    """Results of a chunk's items up to the first that failed, and its error."""

    results: Sequence[Any]
    error: BaseException | None

    def opened(self) -> Iterator[Any]:
        """The results; then the error is raised, if there is one."""
        yield from self.results
        if self.error is not None:
            raise self.error


@dataclass(eq=False)
class Chunk:
    """Consecutive items, and what became of them: None until a process is done with them."""

    items: Sequence[Any]
    reply: Reply | None = None


class WorkerProcess:
    """A worker process.

    Args:
        function: the pickled function that it maps.
    """

    def __init__(self, function: bytes) -> None:
        paths = [path or os.getcwd() for path in sys.path if isinstance(path, str)]
        paths.append(str(Path(__file__).parents[2]))  # where this package is, if `sys.path` moved
        environment = {
            **dict.fromkeys(_KEPT_MEMORY, str(1 << 25)),
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            **dict.fromkeys(_OWN_THREADS, "1"),
        }
        self._file = shared_file()
        self._shared = SharedBuffers(self._file)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", "-m", __name__, str(self._file.fileno())],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                pass_fds=[self._file.fileno()],
                process_group=0,  # an interrupt from the terminal is for the caller alone
            )
        except BaseException:
            self._file.close()
            raise
        self._requests = cast(IO[bytes], self._process.stdin)
        self._replies = cast(IO[bytes], self._process.stdout)
        self._sent: deque[tuple[int, Chunk]] = deque()  # in which places, what it has not answered
        self._start = Chunk([function])
        try:
            self._send(function, self._start)
        except BaseException:
            self.stop()
            raise

    def fileno(self) -> int:
        """Descriptor that can be read when `receive` would not wait."""
        return self._replies.fileno()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def started(self) -> bool:
        """Whether it has loaded its function."""
        return self._start.reply is not None

    @property
    def pending(self) -> int:
        """Number of chunks that it has not answered, its start included."""
        return len(self._sent)

    def send(self, chunk: Chunk) -> None:
        """Have it map the chunk after those that it was sent before.

        Raises:
            ChildProcessError: it died.
        """
        self._send(pickle.dumps(chunk.items, pickle.HIGHEST_PROTOCOL), chunk)

    def _send(self, message: bytes, chunk: Chunk) -> None:
        place = self._shared.take()
        size = self._shared.write(place, [message])
        try:
            self._requests.write(_REQUEST.pack(place, size))
        except BrokenPipeError:
            self._fail()
        self._sent.append((place, chunk))

    def receive(self) -> None:
        """Wait until the first chunk that it has not answered has its reply.

        Results may hold views of memory that is shared with the process.

        Raises:
            NotStartedError: it died before it had loaded its function, or could not load it.
            ChildProcessError: it died.
            Exception: what loading a reply raised.
        """
        header = self._replies.read(_REPLY.size)
        if len(header) < _REPLY.size:
            self._fail()
        size, message_size, count = _REPLY.unpack(header)
        place, chunk = self._sent.popleft()
        content = self._shared.view(place, size)
        lengths = array("Q", bytes(content[: 8 * count]))
        _, message, *buffers = (
            content[start:stop] for start, stop in layout([8 * count, message_size, *lengths])
        )
        chunk.reply = pickle.loads(message, buffers=buffers)  # from our own process
        if chunk is self._start and chunk.reply.error is not None:
            raise NotStartedError from chunk.reply.error

    def _fail(self) -> NoReturn:
        status = self._process.wait()
        if not self.started:
            raise NotStartedError
        why = ", possibly for lack of memory; use fewer `threads`" if status == -9 else ""
        raise ChildProcessError(f"a worker process died (status {status}){why}")

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for file in (self._requests, self._replies, self._file):
            with suppress(OSError):
                file.close()


def mapped(function: Callable[[Any], Any], items: Sequence[Any]) -> Reply:
    """Results of a function."""
    results = []
    try:
        for item in items:
            results.append(function(item))
    except Exception as error:
        return Reply(results, error)
    return Reply(results, None)


@dataclass(frozen=True)
class _Caller:
    """The process at the other end."""

    requests: IO[bytes]
    replies: IO[bytes]
    shared: SharedBuffers

    def answer(self, function: Callable[[Any], Any], items: Callable[[bytes], Any]) -> None:
        """Map the next chunk, whose items are in its message.

        Raises:
            EOFError: there is none: the caller has ended.
            BrokenPipeError: it has ended meanwhile.
        """
        header = self.requests.read(_REQUEST.size)
        if len(header) < _REQUEST.size:
            raise EOFError
        place, size = _REQUEST.unpack(header)
        reply = mapped(function, items(self.shared.read(place, size)))
        if reply.error is not None:
            reply = Reply(reply.results, _sendable(reply.error))
        try:
            message, buffers = _pickled(reply)
        except Exception as error:
            message, buffers = _pickled(Reply([], _sendable(error)))
        lengths = array("Q", [len(buffer) for buffer in buffers]).tobytes()
        size = self.shared.write(place, [lengths, message, *buffers])
        self.replies.write(_REPLY.pack(size, len(message), len(buffers)))


def _sendable(error: BaseException) -> BaseException:
    """An error that says where it was raised, and that another process can load."""
    if isinstance(error, (LabelcodecError, OSError)):
        return error
    trace = f"in a worker process: {''.join(traceback.format_exception(error))}"
    error.add_note(trace)
    try:
        return cast(BaseException, pickle.loads(pickle.dumps(error)))
    except Exception:
        return RuntimeError(trace)


def _pickled(reply: Reply) -> tuple[bytes, list[memoryview]]:
    """A pickle, and the long buffers that it leaves out."""
    buffers: list[memoryview] = []

    def is_within(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if len(raw) >= LONG:
            buffers.append(raw)
        return len(raw) < LONG

    return pickle.dumps(reply, pickle.HIGHEST_PROTOCOL, buffer_callback=is_within), buffers


def main() -> None:
    """Map chunks until the caller closes standard input, or dies."""
    caller = _Caller(
        os.fdopen(os.dup(0), "rb", 0),
        os.fdopen(os.dup(1), "wb", 0),
        SharedBuffers(os.fdopen(int(sys.argv[1]), "r+b", 0)),
    )
    try:
        os.dup2(2, 1)  # what a plug-in prints must not get between the replies
    except OSError:  # no standard error either
        os.close(1)
    functions: list[Callable[[Any], Any]] = []  # stays empty if loading fails
    with suppress(EOFError, BrokenPipeError):
        caller.answer(lambda data: functions.append(pickle.loads(data)), lambda data: [data])
        for function in functions:
            while True:
                caller.answer(function, pickle.loads)


if __name__ == "__main__":
    from labelcodec.workers.process import main as main_by_name  # pickled by its module's name

    main_by_name()

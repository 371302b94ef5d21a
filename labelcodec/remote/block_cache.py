"""Blocks of a file elsewhere that are kept on disk, shared by processes and runs."""

from __future__ import annotations

import fcntl
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock

from labelcodec.remote.per_process import PerProcess

BLOCK = 256 << 10  # bytes
_HELD = b"\x01"
_LOCKS = 64


class BlockCache:
    """A sparse copy of a file, and a file with one byte per block that says whether it is there.

    A block is fetched once, whichever thread or process needs it first. Damaged blocks, as after a
    crash of the machine, are noticed by the checksums of the records and fetched again. The files
    are closed with the last reference to the object.

    Args:
        path: path of the copy.
        size: size of the file in bytes.
        fetch: fetches a range.
    """

    def __init__(self, path: Path, size: int, fetch: Callable[[int, int], bytes]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._size, self._fetch = size, fetch
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._data = os.open(path.with_name(path.name + ".blocks"), flags, 0o666)
        self._held = os.open(path.with_name(path.name + ".held"), flags, 0o666)
        for fd in (self._data, self._held):  # threads that still fetch keep them open
            weakref.finalize(self, os.close, fd)
        os.ftruncate(self._data, size)
        self._locks = PerProcess(lambda: tuple(Lock() for _ in range(_LOCKS)))

    def read(self, offset: int, size: int) -> bytes:
        """The bytes of a range, of which missing blocks are fetched and kept."""
        first, stop = offset // BLOCK, -(-(offset + size) // BLOCK)
        if not self._has(first, stop):
            with self._filling(first, stop):
                for start, end in self._missing(first, stop):
                    begin = start * BLOCK
                    data = self._fetch(begin, min(end * BLOCK, self._size) - begin)
                    os.pwrite(self._data, data, begin)
                    os.pwrite(self._held, _HELD * (end - start), start)
        return os.pread(self._data, size, offset)

    def forget(self, offset: int, size: int) -> None:
        """Drop the blocks of a range."""
        first, stop = offset // BLOCK, -(-(offset + size) // BLOCK)
        os.pwrite(self._held, bytes(stop - first), first)

    def _has(self, first: int, stop: int) -> bool:
        return os.pread(self._held, stop - first, first) == _HELD * (stop - first)

    def _missing(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Runs of blocks, as (first, stop), that are not there."""
        held = os.pread(self._held, stop - first, first).ljust(stop - first, b"\0")
        start: int | None = None
        for number, byte in enumerate(held + _HELD, first):
            if byte != _HELD[0] and start is None:
                start = number
            elif byte == _HELD[0] and start is not None:
                yield start, number
                start = None

    @contextmanager
    def _filling(self, first: int, stop: int) -> Iterator[None]:
        """Hold the blocks against other threads and processes, which wait for them."""
        locks = self._locks()
        with ExitStack() as stack:
            for number in sorted({block % _LOCKS for block in range(first, stop)}):
                stack.enter_context(locks[number])
            with suppress(OSError):  # locks are of processes, so that threads look like a deadlock
                fcntl.lockf(self._held, fcntl.LOCK_EX, stop - first, first)
                stack.callback(fcntl.lockf, self._held, fcntl.LOCK_UN, stop - first, first)
            yield

"""Bytes that one process hands to another through a file that both have mapped."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import IO

import numpy as np

PLACE = 1 << 36  # bytes from one place to the next, most of which are a hole of the file
HELD = 16  # places that views may keep; what is in others is copied
_PLACES = HELD + 8  # of a file: those, and others that are written meanwhile
_GRANULE = 1 << 20  # bytes: a mapping is a multiple of it, so that it seldom has to grow
_ALIGNMENT = 64  # bytes


def shared_file() -> IO[bytes]:
    """A new file without a name, in memory where the system has such files.

    Raises:
        OSError: the system refuses one, or one with so large a hole.
    """
    file = _unnamed_file()
    try:
        os.ftruncate(file.fileno(), _PLACES * PLACE)
    except OSError:
        file.close()
        raise
    return file


def _unnamed_file() -> IO[bytes]:
    with suppress(AttributeError, OSError):
        descriptor = os.memfd_create("labelcodec")
        import fcntl

        try:  # not one of the three that a new process has for other files
            return os.fdopen(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3), "r+b", 0)
        finally:
            os.close(descriptor)
    return tempfile.TemporaryFile(buffering=0)


def layout(lengths: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Where buffers begin and end that are written to a place: aligned, one after the other."""
    stop = 0
    for length in lengths:
        start = -(-stop // _ALIGNMENT) * _ALIGNMENT
        stop = start + length
        yield start, stop


class SharedBuffers:
    """Numbered places of a shared file, from either process.

    One process takes a place and tells the other its number; then one of them writes to it and the
    other reads, never both at a time. At most eight places are in use beside those that views keep.

    Args:
        file: what `shared_file` returned, here or in the other process.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._free: list[int] = []
        self._taken = 0  # places that were ever taken
        self._maps: dict[int, mmap.mmap] = {}

    def take(self) -> int:
        """Number of a free place, which `view` sets free again."""
        with suppress(IndexError):
            return self._free.pop()
        self._taken += 1
        return self._taken - 1

    def write(self, place: int, buffers: Sequence[bytes | memoryview]) -> int:
        """Write buffers to a place that was taken, as `layout` says.

        Args:
            place: number of the place.
            buffers: one or more bytes in all, at most 64 GiB.

        Returns:
            Bytes from the place's first to the last that was written.
        """
        spans = list(layout(len(buffer) for buffer in buffers))
        size = spans[-1][1]
        mapped = self._map(place, size)
        for buffer, (start, stop) in zip(buffers, spans, strict=True):
            mapped[start:stop] = buffer
        return size

    def read(self, place: int, size: int) -> bytes:
        """A copy of the first `size` bytes of a place."""
        return self._map(place, size)[:size]

    def view(self, place: int, size: int) -> memoryview:
        """The first `size` bytes of a place that this process took; do not write to them.

        The place is free as soon as neither this view nor one made of it is left.
        """
        if place >= HELD:
            copy = self.read(place, size)
            self._free.append(place)
            return memoryview(copy)
        content = np.frombuffer(self._map(place, size), np.uint8, size)
        weakref.finalize(content, self._free.append, place)
        return content.data

    def _map(self, place: int, size: int) -> mmap.mmap:
        mapped = self._maps.get(place)
        if mapped is None or len(mapped) < size:
            length = -(-size // _GRANULE) * _GRANULE
            mapped = self._maps[place] = mmap.mmap(
                self._file.fileno(), length, offset=place * PLACE
            )
        return mapped

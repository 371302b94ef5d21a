"""Bytes that one process hands to another through a file that both have mapped."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

import numpy as np

PLACE = 1 << 30  # bytes from one place to the next, most of which are a hole of the file
_RESERVED = 8  # places that a new file has
_GRANULE = 1 << 20  # bytes: a mapping is a multiple of it, so that it seldom has to grow


def shared_file() -> IO[bytes]:
    """A new file without a name, in memory where the system has such files.

    Raises:
        OSError: the system refuses one, or one of 8 GiB of holes.
    """
    file = _unnamed_file()
    try:
        os.ftruncate(file.fileno(), _RESERVED * PLACE)
    except OSError:
        file.close()
        raise
    return file


def _unnamed_file() -> IO[bytes]:
    with suppress(AttributeError, OSError):
        return os.fdopen(os.memfd_create("labelcodec"), "r+b", 0)
    return tempfile.TemporaryFile(buffering=0)


class SharedBuffers:
    """Numbered places of a shared file, from either process.

    One process takes a place and tells the other its number; then one of them writes to it and the
    other reads, never both at a time.

    Args:
        file: what `shared_file` returned, here or in the other process.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._free: list[int] = []
        self._taken = 0  # places that were ever taken
        self._maps: dict[int, mmap.mmap] = {}

    def take(self) -> int:
        """Number of a free place, which `view` sets free again.

        Raises:
            OSError: the system refuses so many places.
        """
        with suppress(IndexError):
            return self._free.pop()
        if self._taken >= _RESERVED:
            os.ftruncate(self._file.fileno(), (self._taken + 1) * PLACE)
        self._taken += 1
        return self._taken - 1

    def write(self, place: int, buffers: Sequence[bytes | memoryview]) -> int:
        """Write buffers to a place that was taken, one after the other.

        Args:
            place: number of the place.
            buffers: one or more bytes.

        Returns:
            Their size in bytes.

        Raises:
            OSError: they are more than 1 GiB.
        """
        size = sum(len(buffer) for buffer in buffers)
        if size > PLACE:
            raise OSError(f"{size} bytes for another process, at most {PLACE} are possible")
        mapped, position = self._map(place, size), 0
        for buffer in buffers:
            mapped[position : position + len(buffer)] = buffer
            position += len(buffer)
        return size

    def read(self, place: int, size: int) -> bytes:
        """A copy of the first `size` bytes of a place."""
        return self._map(place, size)[:size]

    def view(self, place: int, size: int) -> memoryview:
        """The first `size` bytes of a place that this process took; do not write to them.

        The place is free as soon as neither this view nor one made of it is left.
        """
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

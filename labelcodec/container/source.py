"""Bytes of an opened container at a range: of a local file, or of one elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from labelcodec.container.paths import partial_of
from labelcodec.container.record import open_file, read_at
from labelcodec.errors import CorruptError, MismatchError
from labelcodec.remote import Identity, Location, RemoteFile


class Source(Protocol):
    """An opened file. Threads and forked processes may share it.

    Attributes:
        location: the same file, to be opened again.
        size: its size in bytes.
        identity: its size, and what changes when the file is replaced.
        head: its first bytes as far as opening brought them; none of a local file.
    """

    @property
    def location(self) -> Location: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def identity(self) -> Identity: ...  # noqa: D102
    @property
    def head(self) -> bytes: ...  # noqa: D102

    def read(self, offset: int, size: int) -> bytes:
        """The bytes of a range, which lies inside the file."""

    def read_ahead(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Announce ranges, as (offset, size), that will be read next, in this order."""

    def forget(self, offset: int, size: int) -> bool:
        """Drop copies of damaged bytes; whether reading them again may give others."""

    def close(self) -> None:
        """Close the file."""


class LocalFile:
    """A file of this machine, read with pread.

    Args:
        path: the file.
        hold: whether it stays open, which is faster; else each read opens it.
        origin: the file elsewhere that it is a copy of, and its identity.
        is_own_copy: whether this library made the copy, which is removed if it is damaged.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the path is a folder, FIFO, socket or device.
        CorruptError: there is only the partial file of a run that did not end.
    """

    head = b""

    def __init__(
        self,
        path: Path,
        hold: bool = True,
        origin: tuple[RemoteFile, Identity] | None = None,
        is_own_copy: bool = False,
    ) -> None:
        self._path, self._is_own_copy = path, is_own_copy
        self._fd: int | None = None
        fd = _opened(path)
        self._on_disk = _on_disk(fd)
        self.size = self._on_disk[0]
        self.location: Location = path
        self.identity: Identity = self._on_disk
        if origin is not None:
            self.location, self.identity = origin
        if hold:
            self._fd = fd
        else:
            os.close(fd)

    def read(self, offset: int, size: int) -> bytes:
        """The bytes of a range, in one pread unless the system returns fewer.

        Raises:
            CorruptError: the file ends earlier.
            MismatchError: another file has taken its place.
        """
        if self._fd is not None:
            return read_at(self._fd, offset, size, self._path)
        with self._reopened() as fd:
            return read_at(fd, offset, size, self._path)

    def read_ahead(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Nothing: the system reads ahead."""

    def forget(self, offset: int, size: int) -> bool:
        """False: the bytes are what they are. A copy of ours is removed: the next is made anew."""
        if self._is_own_copy:
            self._path.unlink(missing_ok=True)
        return False

    def close(self) -> None:
        """Close the file."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    @contextmanager
    def _reopened(self) -> Iterator[int]:
        fd = open_file(self._path)
        try:
            check_identity(_on_disk(fd), self._on_disk, self._path)
            yield fd
        finally:
            os.close(fd)


def open_source(location: Location, hold: bool) -> Source:
    """Open a file, here or elsewhere; arguments and errors as of `LocalFile`.

    Raises:
        RemoteError: the file is elsewhere and cannot be reached.
    """
    if isinstance(location, Path):
        return LocalFile(location, hold)
    from labelcodec.remote.local_copy import LocalCopy, cache_folder
    from labelcodec.remote.opening import open_remote

    opened = open_remote(location)
    if isinstance(opened, LocalCopy):
        is_ours = cache_folder() in opened.path.parents
        return LocalFile(opened.path, hold, (opened.origin, opened.identity), is_ours)
    return opened


def check_identity(actual: Identity, expected: Identity | None, where: Location) -> None:
    """Check that a file is the one that was opened before.

    Raises:
        MismatchError: its size, or its modification time or version, is another one.
    """
    if expected not in (None, actual):
        what = "modification time" if isinstance(where, Path) else "version"
        raise MismatchError(
            f"{where}: changed since it was opened: size and {what} are {actual}, "
            f"expected {expected}"
        )


def _on_disk(fd: int) -> tuple[int, int]:
    """Size and modification time (ns) of an open file."""
    status = os.fstat(fd)
    return status.st_size, status.st_mtime_ns


def _opened(path: Path) -> int:
    try:
        return open_file(path)
    except FileNotFoundError:
        if partial_of(path).exists():
            raise CorruptError(
                f"{path}: was never finished, there is only {partial_of(path)}; resume the run "
                f"that wrote it, or run `labelcodec repair {path}`"
            ) from None
        raise

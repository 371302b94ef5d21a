"""Exclusive locks on files and folders."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelcodec.errors import MismatchError
from labelcodec.files.regular import open_partial

_locked: set[int] = set()  # file descriptors


class LockedError(MismatchError):
    """Another process holds the lock."""


def lock(fd: int, path: Path) -> int:
    """Lock an open file or folder for this process, until `unlock`.

    Between the opening and the lock, another process may have finished its work, so that the file
    has its final name by now or is gone: then it is not ours to change.

    Args:
        fd: its file descriptor.
        path: its path, for the error message.

    Returns:
        `fd`.

    Raises:
        LockedError: another process holds the lock; `fd` is then closed.
        MismatchError: `path` is another file by now; `fd` is then closed.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise LockedError(f"{path}: another process is writing it; wait or stop it") from None
    except OSError:
        pass  # the file system has no locks: avoiding two writers is up to the user
    if not _is_at(fd, path):
        os.close(fd)
        raise MismatchError(
            f"{path}: another process has just finished or replaced it; run the command again"
        )
    _locked.add(fd)
    return fd


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def unlock(fd: int) -> None:
    """Close a file descriptor that `lock` returned, which releases its lock."""
    _locked.discard(fd)
    os.close(fd)


@contextmanager
def locked_file(path: Path) -> Iterator[int]:
    """Open a file, which is created if missing, and hold its lock; errors as in `lock`.

    Yields:
        Its file descriptor, for reading and writing.
    """
    fd = lock(open_partial(path, os.O_RDWR | os.O_CREAT), path)
    try:
        yield fd
    finally:
        unlock(fd)


def leave_to_parent() -> None:
    """In a forked process, close the locked files, which would outlive their owner's death."""
    while _locked:
        os.close(_locked.pop())

"""Files and folders that one process alone may write."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from labelcodec.errors import MismatchError

_locked: set[int] = set()  # descriptors


def lock(fd: int, path: Path) -> int:
    """`fd` of an open file or folder, for this process alone until `unlock`.

    Raises:
        MismatchError: another process has it; then `fd` is closed.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise MismatchError(f"{path}: another process is writing it; wait or stop it") from None
    except OSError:
        pass  # a file system without locks: then two writers are the user's own care
    _locked.add(fd)
    return fd


def unlock(fd: int) -> None:
    """Close what `lock` gave."""
    _locked.discard(fd)
    os.close(fd)


def leave_to_parent() -> None:
    """Close, in a forked process, what it would keep locked after its parent's death."""
    while _locked:
        os.close(_locked.pop())

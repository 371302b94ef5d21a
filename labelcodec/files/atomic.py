"""Atomic file replacement: write beside the target, fsync, rename."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from labelcodec.errors import MismatchError
from labelcodec.files.os_errors import naming
from labelcodec.files.regular import open_partial, target_of


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` once it is complete and on disk.

    A symbolic link is kept, and what it points to is replaced. Until then the file is named
    `NAME.partial`. It is removed after an error. A killed process leaves it behind, and the next
    writer overwrites it.

    Raises:
        MismatchError: `path` is a folder, FIFO, socket or device, or `NAME.partial` is a link.
        OSError: the file cannot be written.
    """
    path = target_of(path)
    partial = path.with_name(f"{path.name}.partial")
    fd = open_partial(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        with naming(partial), os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        publish(partial, path, force=True)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def refuse_existing(path: Path, force: bool) -> None:
    """Check that `path` may be written; only a file may be replaced.

    Raises:
        MismatchError: `path` is a folder, FIFO, socket or device, or exists and `force` is not set.
    """
    target_of(path)
    if not force and os.path.lexists(path):
        raise MismatchError(f"{path}: exists already; pass `force=True` to replace it")


def publish(partial: Path, path: Path, force: bool) -> None:
    """Rename a complete file to its final name, durably.

    Args:
        partial: the complete file.
        path: its final name.
        force: replace an existing `path`.

    Raises:
        MismatchError: `path` exists and `force` is not set.
    """
    if force:
        os.replace(partial, path)
    else:
        _rename_to_new(partial, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _rename_to_new(partial: Path, path: Path) -> None:
    """Rename without replacing an existing file."""
    try:
        os.link(partial, path)  # unlike a rename, fails if the name exists
    except FileExistsError:
        raise MismatchError(
            f"{path}: appeared while it was being written; the new one is {partial}: rename it, "
            "or write again with `force=True`"
        ) from None
    except OSError:  # the file system has no hard links
        refuse_existing(path, False)
        os.rename(partial, path)
    else:
        os.unlink(partial)

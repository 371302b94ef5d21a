"""Atomic file replacement: write beside the target, fsync, rename."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from labelcodec.errors import MismatchError
from labelcodec.files.os_errors import naming


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` once it is whole and on disk.

    Until then it is `NAME.partial`. An error removes that; a killed process leaves it, to be
    overwritten by the next one.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with naming(partial), partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        publish(partial, path, force=True)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def refuse_existing(path: Path, force: bool) -> None:
    """Raise MismatchError if `path` exists and may not be replaced; a folder never may."""
    if path.is_dir():
        raise MismatchError(f"{path}: is a folder; give the name of a file")
    if not force and os.path.lexists(path):
        raise MismatchError(f"{path}: exists already; pass --force to replace it")


def publish(partial: Path, path: Path, force: bool) -> None:
    """Give the complete file its name, durably.

    Raises:
        MismatchError: the name is taken and `force` is not set.
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
    try:
        os.link(partial, path)  # unlike a rename it fails when the name is taken
    except FileExistsError:
        raise MismatchError(
            f"{path}: appeared while it was being written; the new one is {partial}: rename it, "
            "or write again with --force"
        ) from None
    except OSError:  # a file system without hard links
        refuse_existing(path, False)
        os.rename(partial, path)
    else:
        os.unlink(partial)

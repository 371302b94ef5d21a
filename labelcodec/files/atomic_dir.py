"""Atomic creation of a dump folder, optionally replacing an existing dump."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelcodec.errors import DumpError
from labelcodec.files.locks import lock, unlock
from labelcodec.files.os_errors import unlisted
from labelcodec.files.regular import real_path

_ARRAYS = ("logits", "index", "value", "lengths", "tokens", "mask", "tail", "count")
_TABLE = "train-00000-of-00001.parquet"
_NAMES = frozenset({"sampler_indices_dict.pt", _TABLE, *(f"{name}.npy" for name in _ARRAYS)})


@contextmanager
def atomic_folder(folder: Path, force: bool) -> Iterator[Path]:
    """An empty folder to fill; renamed to `folder` at the end, removed after an error.

    Leftovers of a killed process are cleared. If that process had moved the old folder aside and
    not yet renamed the new one, the old one is restored first.

    Args:
        folder: the final name. A symbolic link is kept, and its target is created or replaced.
        force: replace a folder that holds nothing but a dump.

    Raises:
        DumpError: the folder may not be replaced.
        MismatchError: another process is writing it.
    """
    target = real_path(folder)
    if Path.cwd().is_relative_to(target):
        raise DumpError(f"{folder}: you are in this folder; give the name of another one")
    old = target.with_name(f".{target.name}.old")
    with held_partial(target) as partial:
        if old.exists():
            _settle(old, target)
        check_dump(partial)
        try:
            clear(partial)
            _check(target, folder, force)
            yield partial
            if target.exists() and any(target.iterdir()):
                os.rename(target, old)
            os.rename(partial, target)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def held_partial(target: Path) -> Iterator[Path]:
    """The folder `.NAME.partial` beside a target, which no other process writes in meanwhile.

    It may hold what a killed process left there.

    Raises:
        MismatchError: another process is writing in it.
        OSError: it cannot be made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    partial.mkdir(exist_ok=True)
    fd = lock(
        os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC), partial
    )
    try:
        yield partial
    finally:
        unlock(fd)


def _settle(old: Path, target: Path) -> None:
    """Finish or undo the replacement that a killed process had begun."""
    if target.exists():
        check_dump(old)
        shutil.rmtree(old)
    else:
        os.rename(old, target)


def clear(folder: Path) -> None:
    """Remove everything in a folder."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _check(target: Path, named: Path, force: bool) -> None:
    """Check that the target may be created or replaced."""
    if target.exists() and not target.is_dir():
        raise DumpError(f"{named}: is a file, nothing was written")
    if target.is_dir() and any(target.iterdir()):
        if not force:
            raise DumpError(
                f"{named}: the folder is not empty, nothing was written; pass `force=True` to "
                "replace it"
            )
        check_dump(target)


def check_dump(folder: Path) -> None:
    """Check that a folder holds only files of labels and lists, so that it is safe to remove.

    Raises:
        DumpError: the folder holds another file; the message names it.
    """
    for _, _, files in os.walk(folder, onerror=unlisted):
        for name in files:
            if not name.endswith((".tar", ".json")) and name not in _NAMES:
                raise DumpError(
                    f"{folder}: holds {name}, which is not part of a dump; nothing was replaced"
                )

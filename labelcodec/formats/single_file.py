"""Dumps of one file, where a layout's files can be put together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from labelcodec.errors import DumpError
from labelcodec.files.atomic import publish, refuse_existing
from labelcodec.files.atomic_dir import clear, held_partial
from labelcodec.files.regular import target_of


def write_file(
    write: Callable[[Path], int], join: Callable[[Path, str], Path], target: Path, force: bool
) -> int:
    """Write a dump as a single file, which is complete or absent.

    Its parts are in the folder `.NAME.partial` meanwhile; what a killed process left there is
    cleared by the next.

    Args:
        write: writes the dump to an empty folder.
        join: `Layout.join`, which makes the files of that folder one.
        target: the file.
        force: replace a file.

    Returns:
        1, the number of files.

    Raises:
        MismatchError: `target` exists and `force` is not set, is no file, or another process is
            writing it.
        DumpError: the layout cannot write the labels as one file.
    """
    refuse_existing(target, force)
    target = target_of(target)
    with held_partial(target) as folder:
        try:
            clear(folder)
            write(folder)
            joined = join(folder, target.suffix.lower())
            os.chmod(joined, folder.stat().st_mode & 0o666)  # safetensors leaves it to its owner
            with joined.open("rb") as file:
                os.fsync(file.fileno())
            publish(joined, target, force)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return 1


def only_file(root: Path, suffix: str) -> Path:
    """The file of a folder that holds no other.

    Raises:
        DumpError: there are several, or it has another suffix.
    """
    files = sorted(root.iterdir())
    if len(files) != 1 or files[0].suffix != suffix:
        names = ", ".join(path.name for path in files[:3])
        raise DumpError(
            f"the labels are written as {names}, not as one {suffix} file: name a folder"
        )
    return files[0]

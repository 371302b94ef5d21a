"""Dumps of one file, where a layout's files can be put together."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from labelcodec.errors import DumpError
from labelcodec.files.atomic import atomic_file, refuse_existing


def write_file(
    write: Callable[[Path], int], join: Callable[[Path, str], Path], target: Path, force: bool
) -> int:
    """Write a dump as a single file, which is complete or absent.

    Args:
        write: writes the dump to an empty folder.
        join: `Layout.join`, which makes the files of that folder one.
        target: the file.
        force: replace a file.

    Returns:
        1, the number of files.

    Raises:
        MismatchError: `target` exists and `force` is not set, or is no file.
        DumpError: the layout cannot write the labels as one file.
    """
    refuse_existing(target, force)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        write(Path(folder))
        with (
            join(Path(folder), target.suffix.lower()).open("rb") as joined,
            atomic_file(target) as file,
        ):
            shutil.copyfileobj(joined, file)
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

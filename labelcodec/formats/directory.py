"""Listing of a dump's directory: numbered files and folders, and gaps in their numbering."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labelcodec.errors import DumpError
from labelcodec.files.os_errors import unlisted

SUFFIXES = (".pth.tar", ".tar", ".pth", ".pt")  # of label files; a longer one before its end
_NUMBERED = re.compile(r"(?P<prefix>epoch_|batch_)(?P<number>[0-9]{1,12})(?P<suffix>\..+)?\Z")


@dataclass(frozen=True)
class Numbered:
    """Numbered files or folders, in ascending order of their numbers.

    Attributes:
        numbers: the numbers; leading zeros of names do not count.
        names: their names.
        bytes: total size of the files; 0 for folders.
    """

    numbers: tuple[int, ...]
    names: tuple[str, ...]
    bytes: int


def check_directory(root: Path) -> None:
    """Check that a path is a directory.

    Raises:
        DumpError: it is a file or does not exist.
    """
    if not root.is_dir():
        what = "is a file, a dump is a folder" if root.exists() else "no such file or folder"
        raise DumpError(f"{root}: {what}")


def number_of(name: str, prefix: str, *, folder: bool = False) -> int | None:
    """The number in the name of a label file, or of a folder.

    Args:
        name: a name such as 'batch_07.pth.tar'.
        prefix: 'epoch_' or 'batch_'.
        folder: whether it is a folder, whose name has no suffix.

    Returns:
        The number; None if the name has another form.
    """
    match = _NUMBERED.match(name)
    if match is None or match["prefix"] != prefix:
        return None
    fits = match["suffix"] is None if folder else match["suffix"] in SUFFIXES
    return int(match["number"]) if fits else None


def numbered(folder: Path, prefix: str, *, folders: bool = False) -> Numbered:
    """List the label files {prefix}N.tar (or another suffix) of a folder, or its folders {prefix}N.

    Entries without the prefix are ignored.

    Args:
        folder: the folder.
        prefix: beginning of the names: 'epoch_' or 'batch_'.
        folders: list folders in place of files.

    Raises:
        DumpError: an entry starts with the prefix but does not match the pattern, or two have the
            same number.
    """
    entries: dict[int, tuple[str, int]] = {}
    with os.scandir(folder) as listing:
        candidates = [entry for entry in listing if entry.name.startswith(prefix)]
    for entry in sorted(candidates, key=lambda entry: entry.name):
        number = number_of(entry.name, prefix, folder=folders)
        if number is None or entry.is_file() == folders:
            pattern = f"{prefix}N" if folders else f"{prefix}N.tar"
            raise DumpError(
                f"{folder / entry.name}: unexpected file, the layout has {pattern}. "
                "Move it elsewhere if it does not belong to the dump."
            )
        if number in entries:
            raise DumpError(
                f"{folder / entry.name}: unexpected file, {entries[number][0]} has the same "
                "number. Move the one elsewhere that does not belong to the dump."
            )
        entries[number] = entry.name, 0 if folders else entry.stat().st_size
    numbers = tuple(sorted(entries))
    names = tuple(entries[number][0] for number in numbers)
    return Numbered(numbers, names, sum(size for _, size in entries.values()))


def tar_files(root: Path) -> Iterator[Path]:
    """Iterate over all *.tar files below a directory, sorted within each folder.

    Raises:
        OSError: a folder cannot be listed.
    """
    for folder, folders, files in os.walk(root, onerror=unlisted):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(files) if name.endswith(".tar"))


def is_numbered(name: str) -> bool:
    """Whether a file is named batch_N.tar or epoch_N.tar, or with another suffix of label files."""
    return any(number_of(name, prefix) is not None for prefix in ("batch_", "epoch_"))


def folder_of_dump(root: Path) -> Path | None:
    """The folder below a directory that is a dump with numbered files; None if there is none.

    Raises:
        OSError: a folder cannot be listed.
    """
    for folder, folders, files in os.walk(root, onerror=unlisted):
        folders.sort()
        if any(map(is_numbered, files)):
            path = Path(folder)
            return path.parent if path.name.startswith("epoch_") else path
    return None

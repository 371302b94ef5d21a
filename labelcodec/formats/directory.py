"""Listing of a dump's directory: numbered files and folders, and gaps in their numbering."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labelcodec.errors import DumpError
from labelcodec.files.os_errors import unlisted

_BATCH = re.compile(r"batch_[0-9]+\.tar\Z")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)\Z")


@dataclass(frozen=True)
class Numbered:
    """Numbered files or folders.

    Attributes:
        numbers: the numbers N in ascending order.
        bytes: total size of the files; 0 for folders.
    """

    numbers: tuple[int, ...]
    bytes: int


def check_directory(root: Path) -> None:
    """Check that a path is a directory.

    Raises:
        DumpError: it is a file or does not exist.
    """
    if not root.is_dir():
        what = "is a file, a dump is a folder" if root.exists() else "no such folder"
        raise DumpError(f"{root}: {what}")


def numbered(folder: Path, prefix: str, suffix: str = "") -> Numbered:
    """List the files {prefix}N{suffix} of a folder, or its folders {prefix}N without a suffix.

    Entries without the prefix are ignored.

    Args:
        folder: the folder.
        prefix: beginning of the names.
        suffix: end of the file names; empty for folders.

    Raises:
        DumpError: an entry starts with the prefix but does not match the pattern.
    """
    sizes: dict[int, int] = {}
    with os.scandir(folder) as listing:
        entries = [entry for entry in listing if entry.name.startswith(prefix)]
    for entry in entries:
        number = entry.name.removeprefix(prefix).removesuffix(suffix)
        is_ours = entry.name.endswith(suffix) and entry.is_file() == bool(suffix)
        if not is_ours or not _NUMBER.match(number):
            raise DumpError(
                f"{folder / entry.name}: unexpected file, the layout has {prefix}N{suffix}. "
                "Remove it if it does not belong to the dump."
            )
        sizes[int(number)] = entry.stat().st_size if entry.is_file() else 0
    return Numbered(tuple(sorted(sizes)), sum(sizes.values()))


def check_no_holes(numbers: tuple[int, ...], folder: Path, prefix: str, suffix: str = "") -> None:
    """Check that the numbers are 0, 1, 2, ... without gaps.

    Args:
        numbers: numbers in rising order.
        folder: folder of the entries, for error messages.
        prefix: beginning of their names.
        suffix: end of their names.

    Raises:
        DumpError: a number is missing (the message names the first one), or there are none.
    """
    if not numbers:
        raise DumpError(f"{folder}: holds no {prefix}N{suffix}")
    if numbers[-1] != len(numbers) - 1:
        missing = next(i for i, number in enumerate(numbers) if i != number)
        raise DumpError(
            f"{folder / f'{prefix}{missing}{suffix}'} is missing, though "
            f"{prefix}{numbers[-1]}{suffix} exists. The dump is incomplete: copy it again."
        )


def tar_files(root: Path) -> Iterator[Path]:
    """Iterate over all *.tar files below a directory, sorted within each folder.

    Raises:
        OSError: a folder cannot be listed.
    """
    for folder, folders, files in os.walk(root, onerror=unlisted):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(files) if name.endswith(".tar"))


def is_batch_file(file: Path) -> bool:
    """Whether a file is named batch_N.tar."""
    return bool(_BATCH.match(file.name))

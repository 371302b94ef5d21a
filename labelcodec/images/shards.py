"""Shards of an image source: one file, a folder of files, or a pattern."""

from __future__ import annotations

import glob
import re
from itertools import islice
from pathlib import Path

from labelcodec.errors import MismatchError

MAX_SHARDS = 1 << 16
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_NUMBERED = re.compile(r"-\d+(-of-\d+)?$")
BELOW = ("", "data")  # folders in which the shards of a data set's folder are


def matching(path: Path, suffix: str) -> list[Path]:
    """The shards of a kind that a path stands for; none if it stands for something else.

    A folder is one of shards if it has no sub-folder besides `data`, where they may be, too: class
    folders beside a left-over archive are an image folder.

    Args:
        path: a file, a folder, a glob pattern, or a range of numbers such as `x-{00..11}.tar`.
        suffix: that of the shards, with its dot.

    Raises:
        MismatchError: a shard of a range is missing, or there are too many.
    """
    if path.is_dir():
        return _in_folder(path, suffix)
    if path.suffix.lower() != suffix:
        return []
    if path.exists():
        return [path]
    if _RANGE.search(str(path)):
        return _in_range(path)
    return sorted(map(Path, glob.glob(str(path))))


def split_of(path: Path) -> str:
    """Name of a shard without its number: 'train' of 'train-00000-of-00004.parquet'."""
    return _NUMBERED.sub("", path.stem)


def _in_folder(path: Path, suffix: str) -> list[Path]:
    folders = {entry.name for entry in path.iterdir() if entry.is_dir() and entry.name[0] != "."}
    if folders - {"data"}:
        return []
    return [
        file
        for name in BELOW
        if (path / name).is_dir()
        for file in sorted((path / name).iterdir())
        if file.suffix.lower() == suffix and not file.is_dir()
    ]


def _in_range(path: Path) -> list[Path]:
    names = [str(path)]
    while match := _RANGE.search(names[0]):
        first, last = match.group(1), match.group(2)
        numbers = range(int(first), int(last) + 1)
        names = [
            name.replace(match.group(0), f"{number:0{len(first)}}")
            for name in names
            for number in islice(numbers, MAX_SHARDS + 1)
        ]
        if not names or len(names) > MAX_SHARDS:
            raise MismatchError(f"{path}: is a range of no files, or of more than {MAX_SHARDS}")
    files = list(map(Path, names))
    missing = next((file for file in files if not file.exists()), None)
    if missing is not None:
        raise MismatchError(f"{missing}: there is no such shard of {path}")
    return files

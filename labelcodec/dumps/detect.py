"""Whose layout is a directory in, and which files belong to it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from labelcodec.dumps.info import LAYOUTS, Layout
from labelcodec.errors import DumpError
from labelcodec.files.os_errors import unlisted

EPOCH_SIDE = "sampler_indices_epoch.json"
BATCH_SIDE = "sampler_indices_batch.json"
ORDER_SIDE = "image_order.json"
EXPECTED = (
    "expected epoch_N/batch_N.tar (SRe2L; LPLD with sampler_indices_epoch.json), batch_N.tar with "
    "sampler_indices_batch.json (LPQLD), or one .tar an image below class folders (FKD)"
)
_BATCH = re.compile(r"batch_[0-9]+\.tar\Z")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)\Z")


@dataclass(frozen=True)
class Numbered:
    """Files or folders PREFIX_N, in order of N.

    Attributes:
        numbers: each N, ascending.
        bytes: size of all files together; 0 for folders.
    """

    numbers: tuple[int, ...]
    bytes: int


def detect(root: Path) -> Layout:
    """The layout of a dump directory.

    Raises:
        DumpError: the directory is missing, empty, in no known layout or in two.
    """
    check_directory(root)
    with os.scandir(root) as entries:
        names = {entry.name: entry.is_dir() for entry in entries}
    if not names:
        raise DumpError(f"{root}: the folder is empty; {EXPECTED}")
    epochs = any(is_dir and name.startswith("epoch_") for name, is_dir in names.items())
    batches = any(
        not is_dir and name.startswith("batch_") and name.endswith(".tar")
        for name, is_dir in names.items()
    )
    if epochs and batches:
        raise DumpError(
            f"{root}: found epoch folders beside batch files, a mixture of layouts; {EXPECTED}"
        )
    if epochs:
        return "lpld" if EPOCH_SIDE in names else "sre2l"
    if batches:
        return "lpqld"
    tar = next(tar_files(root), None)
    if tar is not None and _BATCH.match(tar.name):
        in_epoch = tar.parent.name.startswith("epoch_")
        deeper = tar.parent.parent if in_epoch else tar.parent
        raise DumpError(f"{root}: the dump is deeper down; pass {deeper}")
    if tar is not None:
        return "fkd"
    shown = ", ".join(name + "/" * is_dir for name, is_dir in islice(sorted(names.items()), 5))
    raise DumpError(f"{root}: found {shown}{', …' if len(names) > 5 else ''}; {EXPECTED}")


def check_directory(root: Path) -> None:
    """Refuse a path that is no directory.

    Raises:
        DumpError: naming it.
    """
    if not root.is_dir():
        what = "is a file, a dump is a folder" if root.exists() else "no such folder"
        raise DumpError(f"{root}: {what}")


def check_layout(layout: str) -> Layout:
    """The layout of that name.

    Raises:
        DumpError: there is none.
    """
    for known in LAYOUTS:
        if layout == known:
            return known
    raise DumpError(f"unknown layout {layout!r}; known are {', '.join(LAYOUTS)}")


def numbered(folder: Path, prefix: str, suffix: str = "") -> Numbered:
    """The files PREFIX N SUFFIX of a folder, or the folders PREFIX N if there is no suffix.

    Other names are somebody else's and left alone.

    Raises:
        DumpError: an entry starts with the prefix but has no plain number after it.
    """
    found: dict[int, int] = {}
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
        found[int(number)] = entry.stat().st_size if entry.is_file() else 0
    return Numbered(tuple(sorted(found)), sum(found.values()))


def check_no_holes(numbers: tuple[int, ...], folder: Path, prefix: str, suffix: str = "") -> None:
    """Refuse numbering with a hole in it or that does not start at 0.

    Raises:
        DumpError: naming the first missing entry, or that there is none at all.
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
    """Every file *.tar below a directory.

    Raises:
        OSError: a folder cannot be listed.
    """
    for folder, folders, files in os.walk(root, onerror=unlisted):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(files) if name.endswith(".tar"))

"""Listing of a dump's files without opening them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labelcodec.errors import DumpError
from labelcodec.formats.interface import Layout
from labelcodec.formats.registry import detect, layout_named


@dataclass(frozen=True)
class DumpFiles:
    """The files of a dump.

    Attributes:
        layout: layout of the dump.
        count: number of files, side files included.
        bytes: total size of the files.
        first: path of the first label file.
    """

    layout: Layout
    count: int
    bytes: int
    first: Path


def dump_files(root: Path, layout: str | None = None) -> DumpFiles:
    """List the files of a dump.

    Args:
        root: directory of the dump.
        layout: name of its layout; None detects it.

    Raises:
        DumpError: the directory is missing or holds no dump of that layout.
    """
    resolved = detect(root) if layout is None else layout_named(layout)
    labels = resolved.label_files(root)
    if not labels:
        raise DumpError(f"{root}: holds no label files of layout {resolved.name}")
    files = [*labels, *resolved.side_files(root)]
    return DumpFiles(resolved, len(files), sum(file.stat().st_size for file in files), labels[0])

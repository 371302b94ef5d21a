"""Which files of a directory are a dump's, without opening one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labelcodec.dumps.detect import (
    BATCH_SIDE,
    EPOCH_SIDE,
    ORDER_SIDE,
    check_layout,
    detect,
    numbered,
    tar_files,
)
from labelcodec.dumps.info import Layout
from labelcodec.errors import DumpError


@dataclass(frozen=True)
class DumpFiles:
    """A dump's files.

    Attributes:
        layout: whose layout it is.
        count: files, side files included.
        bytes: their size on disk.
        first: the first label file.
    """

    layout: Layout
    count: int
    bytes: int
    first: Path


def dump_files(root: Path, layout: str | None = None) -> DumpFiles:
    """List a dump.

    Raises:
        DumpError: the directory is missing or holds no dump of that layout.
    """
    known = detect(root) if layout is None else check_layout(layout)
    if known == "fkd":
        labels = sorted(tar_files(root))
        return _sized(known, labels, labels[0] if labels else root)
    folders = [root]
    if known != "lpqld":
        folders = [root / f"epoch_{epoch}" for epoch in numbered(root, "epoch_").numbers]
    labels = [
        folder / f"batch_{number}.tar"
        for folder in folders
        for number in numbered(folder, "batch_", ".tar").numbers
    ]
    sides = [root / name for name in (EPOCH_SIDE, BATCH_SIDE, ORDER_SIDE)]
    return _sized(known, [*labels, *filter(Path.is_file, sides)], labels[0] if labels else root)


def _sized(layout: Layout, files: list[Path], first: Path) -> DumpFiles:
    if first.is_dir() or not files:
        raise DumpError(f"{first}: holds no label files of layout {layout}")
    return DumpFiles(layout, len(files), sum(file.stat().st_size for file in files), first)

"""Registry of dump layouts, and detection of the layout of a directory or file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, TypeGuard

from labelcodec.errors import DumpError
from labelcodec.formats.directory import check_directory, folder_of_dump
from labelcodec.formats.foreign import name_folder, refuse_foreign
from labelcodec.formats.interface import Layout
from labelcodec.plugins import Registry, imported


@dataclass(frozen=True)
class LayoutEntry:
    """Registry entry of a layout.

    Attributes:
        name: name of the layout, as used in options and headers.
        layout: 'package.module:Class', a `Layout` with a constructor without arguments; imported on
            first use.
        kind: 'tokens' if its labels are of token sequences; None for images.
        files: suffixes of single files that are a dump of this layout, read and written.
    """

    name: str
    layout: str
    kind: Literal["tokens"] | None = None
    files: tuple[str, ...] = ()


LAYOUTS: Registry[LayoutEntry] = Registry(
    "layout",
    "labelcodec.layouts",
    LayoutEntry,
    (
        LayoutEntry("sre2l", "labelcodec.formats.sre2l:SRe2L"),
        LayoutEntry("lpld", "labelcodec.formats.lpld:LPLD"),
        LayoutEntry("lpqld", "labelcodec.formats.lpqld:LPQLD"),
        LayoutEntry("hald", "labelcodec.formats.hald:HALD"),
        LayoutEntry("fkd", "labelcodec.formats.fkd:FKD"),
        LayoutEntry("tinyvit", "labelcodec.formats.tinyvit:TinyViT"),
        LayoutEntry(
            "arrays", "labelcodec.formats.arrays:Arrays", "tokens", (".npz", ".safetensors")
        ),
        LayoutEntry("parquet", "labelcodec.formats.table:Table", "tokens", (".parquet",)),
        LayoutEntry("megatron", "labelcodec.formats.megatron:Megatron", "tokens"),
        LayoutEntry(
            "verl", "labelcodec.formats.verl:Verl", "tokens", (".pt", ".pth", ".safetensors")
        ),
        LayoutEntry("distillkit", "labelcodec.formats.distillkit:DistillKit", "tokens"),
        LayoutEntry(
            "vllm", "labelcodec.formats.prompt_logprobs:PromptLogprobs", "tokens", (".jsonl",)
        ),
    ),
)


def layout_named(name: str) -> Layout:
    """The layout registered under a name.

    Raises:
        DumpError: the name is unknown.
        UnsupportedError: the layout of an installed plug-in cannot be loaded.
    """
    entry = LAYOUTS.find(name)
    if entry is None:
        raise DumpError(f"unknown layout {name!r}; known are {', '.join(LAYOUTS.names())}")
    layout: Layout = imported(entry.layout)()
    return layout


def is_dump(labels: object) -> TypeGuard[Path]:
    """Whether labels are to be opened as a dump: a folder, or a file with a suffix of a layout."""
    if not isinstance(labels, Path):
        return False
    return labels.is_dir() or (labels.is_file() and layout_of_file(labels) is not None)


def check_source(root: Path, layout: Layout) -> None:
    """Check that a path is one that a layout reads.

    Raises:
        DumpError: it does not exist, or is a file and the layout reads only folders.
    """
    entry = LAYOUTS.find(layout.name)
    if entry is None or not entry.files or not root.is_file():
        check_directory(root)
    elif root.suffix.lower() not in entry.files:
        raise DumpError(f"{root}: layout {layout.name} reads {', '.join(entry.files)} and folders")


def layout_of_file(path: Path) -> str | None:
    """Name of the first layout whose single files have the suffix of this one."""
    return next((name for name in LAYOUTS.names() if is_file_of(name, path)), None)


def is_file_of(layout: str, path: Path) -> bool:
    """Whether single files of a layout have the suffix of this one."""
    entry = LAYOUTS.find(layout)
    return entry is not None and path.suffix.lower() in entry.files


def detect(root: Path) -> Layout:
    """Detect the layout of a dump directory or file.

    Raises:
        DumpError: it is missing or empty, or matches no layout or more than one.
    """
    if root.is_file() and (name := layout_of_file(root)) is not None:
        return layout_named(name)
    refuse_foreign(root)
    check_directory(root)
    layouts = [layout_named(entry.name) for entry in LAYOUTS.entries()]
    expected = f"expected {', '.join(layout.looks_like for layout in layouts)}"
    with os.scandir(root) as entries:
        names = {entry.name: entry.is_dir() for entry in entries}
    if not names:
        raise DumpError(f"{root}: the folder is empty; {expected}")
    matching = [layout for layout in layouts if layout.detect(root, names)]
    if len(matching) > 1:
        mixed = " and ".join(layout.name for layout in matching)
        raise DumpError(f"{root}: found files of {mixed}, a mixture of layouts; {expected}")
    if matching:
        return matching[0]
    if (deeper := folder_of_dump(root)) is not None:
        raise DumpError(f"{root}: the dump is deeper down; pass {deeper}")
    if (foreign := name_folder(root, names)) is not None:
        raise DumpError(f"{root}: {foreign}")
    shown = ", ".join(name + "/" * is_dir for name, is_dir in islice(sorted(names.items()), 5))
    raise DumpError(f"{root}: found {shown}{', …' if len(names) > 5 else ''}; {expected}")

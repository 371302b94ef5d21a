"""Imports run downwards only: a module may import from lower layers and from its own group."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    {"errors", "version", "mapdiff", "positions", "progress", "wording"},
    {"extras", "loading", "parts", "threads"},
    {"lazy", "workers"},
    {"plugins", "files", "entropy"},
    {"streams", "checks", "remote", "torch_file"},
    {"augmentation"},
    {"sequences"},
    {"batch"},
    {"kept_counts"},
    {"images"},
    {"binding", "readable_images"},
    {"validation", "header", "container", "label_space", "tail_mass"},
    {"codecs"},
    {"image_names", "joined_header", "label_files"},
    {"reader"},
    {"writer", "folder_check"},
    {"annotation"},
    {"formats", "verification", "merging", "replay"},
    {"analysis", "transcode"},
    {"planner", "preview", "publishing"},
    {"losses"},
    {"pipeline"},
    {"demo"},
    {"labelcodec"},
    {"cli"},
    {"__main__"},
)
# Packages that import no torch, except in modules of `ON_TORCH`. Nothing in these packages imports
# `tensors` at its top; augmentation parts import it in the functions that replay on tensors.
NUMPY_ONLY = {
    *(
        "augmentation",
        "batch",
        "binding",
        "checks",
        "codecs",
        "container",
        "entropy",
        "files",
        "formats",
        "kept_counts",
        "remote",
        "sequences",
        "tail_mass",
    ),
    *("analysis", "header", "image_names", "mapdiff", "planner", "plugins", "progress", "reader"),
    *("parts", "streams", "threads", "transcode", "validation", "workers", "writer", "label_space"),
    *("annotation", "folder_check", "images", "joined_header", "readable_images", "torch_file"),
}
ON_TORCH = (
    "tensors",
    "fused",
    "triton_kernel",
    "network_training",
)  # modules of these groups that may import torch
RANK = {group: rank for rank, groups in enumerate(LAYERS) for group in groups}


def group_of(module: str) -> str:
    """'codecs' of 'labelcodec.codecs.topk.codec'; the package itself is 'labelcodec'."""
    top, _, rest = module.partition(".")
    if top in ("cli", "labelcodec_cli"):
        return "cli"
    return rest.partition(".")[0] or "labelcodec"


def imported_names(nodes: Iterable[ast.AST]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_by(source: str) -> set[str]:
    return imported_names(ast.walk(ast.parse(source)))


def imported_at_once(source: str) -> set[str]:
    """What is imported when the module is, imports for type checkers left out."""
    return imported_names(ast.parse(source).body)


def breaches(importer: str, source: str, name: str = "") -> list[str]:
    """What a module called `name` of group `importer` imports and must not."""
    found = []
    for module in sorted(imported_at_once(source)):
        if importer in NUMPY_ONLY and module.partition(".")[0] in ("torch", "torchvision"):
            found += [] if name in ON_TORCH else [module]
        if importer in NUMPY_ONLY and ".tensors." in f"{module}.":
            found += [] if name == "tensors" else [module]
    for module in sorted(imported_by(source)):
        top = module.partition(".")[0]
        if top not in ("labelcodec", "labelcodec_cli", "cli"):
            continue
        group = group_of(module)
        if group not in RANK:  # a name out of labelcodec/__init__.py
            group = "labelcodec"
        if group != importer and RANK[group] >= RANK[importer]:
            found.append(module)
    return found


def modules() -> list[Path]:
    return sorted([*(ROOT / "labelcodec").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_run_downwards(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    importer = group_of(name)
    assert importer in RANK, f"{importer} has no layer yet: give it one in this test"
    assert breaches(importer, path.read_text(), path.stem) == []


def test_the_check_sees_breaches() -> None:
    upwards = "from labelcodec.codecs import registry"
    assert breaches("container", upwards) == ["labelcodec.codecs.registry"]
    assert breaches("cli", upwards) == []
    assert breaches("entropy", "import torch") == ["torch"]
    tensors = "from labelcodec.augmentation.crop.tensors import resized_crops"
    assert breaches("codecs", tensors) == [tensors.removeprefix("from ").replace(" import ", ".")]
    assert breaches("codecs", "import torch", "tensors") == []
    assert breaches("formats", "from labelcodec import open") == ["labelcodec.open"]
    assert breaches("formats", "from labelcodec.analysis.plot import plot") != []

"""Imports run downwards only: a module may import from lower layers and from its own group."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    {"errors", "version", "differing", "progress"},
    {"batch"},
    {"augment", "validation"},
    {"header", "images", "container", "entropy"},
    {"codecs"},
    {"names"},
    {"reader", "writer"},
    {"dumps", "storage", "replay", "verify", "merge"},
    {"pipeline"},
    {"demo"},
    {"labelcodec"},
    {"cli"},
)
# Within a layer only this way: storage measures dumps too, the container's prefix is of varints.
SIDEWAYS = {("storage", "dumps"), ("container", "entropy")}
NUMPY_ONLY = {
    "augment",
    "container",
    "differing",
    "entropy",
    "codecs",
    "batch",
    "validation",
    "header",
    "names",
    "progress",
    "reader",
    "writer",
}
RANK = {group: rank for rank, groups in enumerate(LAYERS) for group in groups}


def group_of(module: str) -> str:
    """'codecs' of 'labelcodec.codecs.topk'; the package itself is 'labelcodec'."""
    top, _, rest = module.partition(".")
    if top in ("cli", "labelcodec_cli"):
        return "cli"
    return rest.partition(".")[0] or "labelcodec"


def imported_by(source: str) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def breaches(importer: str, source: str) -> list[str]:
    """What a module of group `importer` imports and must not."""
    found = []
    for module in sorted(imported_by(source)):
        top = module.partition(".")[0]
        if top in ("torch", "torchvision") and importer in NUMPY_ONLY:
            found.append(module)
        if top not in ("labelcodec", "labelcodec_cli", "cli"):
            continue
        group = group_of(module)
        if group not in RANK:  # a name out of labelcodec/__init__.py
            group = "labelcodec"
        allowed = group == importer or RANK[group] < RANK[importer]
        if not allowed and (importer, group) not in SIDEWAYS:
            found.append(module)
    return found


def modules() -> list[Path]:
    return sorted([*(ROOT / "labelcodec").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_run_downwards(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    importer = group_of(name)
    assert importer in RANK, f"{importer} has no layer yet: give it one in this test"
    assert breaches(importer, path.read_text()) == []


def test_the_check_sees_breaches() -> None:
    upwards = "from labelcodec.codecs import registry"
    assert breaches("container", upwards) == ["labelcodec.codecs.registry"]
    assert breaches("cli", upwards) == []
    assert breaches("entropy", "def f():\n    import torch") == ["torch"]
    assert breaches("dumps", "from labelcodec import open") == ["labelcodec.open"]
    assert breaches("dumps", "from labelcodec.storage.plot import plot") != []

"""Names of files beside a container."""

from __future__ import annotations

from pathlib import Path

_PARTIAL = ".partial"


def partial_of(path: Path) -> Path:
    """The file that is written until `path` is complete."""
    return path.with_name(path.name + _PARTIAL)


def finished_of(path: Path) -> Path:
    """The container that `path` is or, if it is a partial file, is to become."""
    return path.with_name(path.name.removesuffix(_PARTIAL))


def damaged_of(path: Path) -> Path:
    """Where repair keeps the original of `path` when something in it was lost."""
    return path.with_name(path.name + ".damaged")


def repaired_of(path: Path) -> Path:
    """Where repair writes before it takes the place of `path`."""
    return path.with_name(path.name + ".repaired")

"""Names of the files beside a container."""

from __future__ import annotations

from pathlib import Path

_PARTIAL = ".partial"


def partial_of(path: Path) -> Path:
    """Path of the file that is written until `path` is complete."""
    return path.with_name(path.name + _PARTIAL)


def finished_of(path: Path) -> Path:
    """Path of the finished container: `path` itself, or what a partial file will become."""
    return path.with_name(path.name.removesuffix(_PARTIAL))


def damaged_of(path: Path) -> Path:
    """Path to which repair moves the original of `path` if something in it was lost."""
    return path.with_name(path.name + ".damaged")


def repaired_of(path: Path) -> Path:
    """Path of the file that repair writes before it replaces `path`."""
    return path.with_name(path.name + ".repaired")


def annotated_of(path: Path) -> Path:
    """Path of the file that takes the place of `path` once it has another header."""
    return path.with_name(path.name + ".annotated")

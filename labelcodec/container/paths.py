"""Names of the files beside a container."""

from __future__ import annotations

import re
from pathlib import Path

_PARTIAL = ".partial"
_SHARD = re.compile(r"(?P<stem>.+)-(?P<rank>[0-9]{1,9})-of-(?P<world>[0-9]{1,9})\.slc")


def shard_paths(target: Path, world: int) -> list[Path]:
    """Paths of the containers, one for each of `world` processes."""
    if world == 1:
        return [target]
    stem = target.name.removesuffix(".slc")
    return [target.with_name(f"{stem}-{rank}-of-{world}.slc") for rank in range(world)]


def shards_beside(path: Path) -> tuple[int, list[Path]] | None:
    """The label set that a shard belongs to by its name, `NAME-RANK-of-WORLD.slc`.

    Returns:
        WORLD, and the paths of its shards in the folder, sorted, that of `path` included; None if
        the name is not that of a shard.
    """
    match = _SHARD.fullmatch(path.name)
    if match is None or not 1 < int(match["world"]) > int(match["rank"]):
        return None
    siblings = [
        entry
        for entry in sorted(path.parent.iterdir())
        if (other := _SHARD.fullmatch(entry.name))
        and (other["stem"], other["world"]) == (match["stem"], match["world"])
    ]
    return int(match["world"]), siblings


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

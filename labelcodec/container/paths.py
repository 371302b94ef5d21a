"""Names of the files beside a container."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labelcodec.errors import MismatchError

MAX_WORLD = 1 << 16  # shards of a set whose missing ones are named
_PARTIAL = ".partial"
_SHARD = re.compile(r"(?P<stem>.+)-(?P<rank>[0-9]{1,9})-of-(?P<world>[0-9]{1,9})\.slc")


def shard_paths(target: Path, world: int) -> list[Path]:
    """Paths of the containers, one for each of `world` processes."""
    if world == 1:
        return [target]
    stem = target.name.removesuffix(".slc")
    if target.name in ("", ".."):
        raise MismatchError(f"{target}: is a folder, not the name of a file to write")
    return [target.with_name(f"{stem}-{rank}-of-{world}.slc") for rank in range(world)]


@dataclass(frozen=True)
class ShardName:
    """The name of a shard, `STEM-RANK-of-WORLD.slc`.

    Attributes:
        stem: STEM, which all shards of a set share.
        rank: RANK, 0..world - 1.
        world: WORLD, the number of shards of the set, 2 and more.
    """

    stem: str
    rank: int
    world: int

    def is_beside(self, other: ShardName | None) -> bool:
        """Whether two names are of shards of one set."""
        return other is not None and (self.stem, self.world) == (other.stem, other.world)


def shard_name(name: str) -> ShardName | None:
    """Parse the name of a file; None if it is not that of a shard."""
    match = _SHARD.fullmatch(name)
    if match is None or not 1 < int(match["world"]) > int(match["rank"]):
        return None
    return ShardName(match["stem"], int(match["rank"]), int(match["world"]))


def shards_beside(path: Path) -> tuple[int, list[Path]] | None:
    """The label set that a shard belongs to by its name, `NAME-RANK-of-WORLD.slc`.

    Returns:
        WORLD, and the paths of its shards in the folder, sorted, that of `path` included; None if
        the name is not that of a shard.
    """
    own = shard_name(path.name)
    if own is None:
        return None
    entries = sorted(path.parent.iterdir())
    return own.world, [entry for entry in entries if own.is_beside(shard_name(entry.name))]


def shard_pattern(path: Path) -> Path:
    """The pattern that all shards of a set match, by the name of one; `path` if it is no shard."""
    name = shard_name(path.name)
    return path if name is None else path.with_name(f"{name.stem}-*-of-{name.world}.slc")


def missing_shards(names: Iterable[str]) -> list[str]:
    """Names of the shards that a label set lacks, as far as the names of its files say it.

    Args:
        names: the files' names; paths without their folders.

    Returns:
        The missing names in order of rank; none if a file is not named as a shard, or the files
        are not of one set.
    """
    shards = [shard_name(name) for name in names]
    first = shards[0] if shards else None
    if first is None or not all(first.is_beside(shard) for shard in shards):
        return []
    present = {shard.rank for shard in shards if shard is not None}
    if first.world > MAX_WORLD:  # a name is no reason to make a list as long as it likes
        return []
    whole = shard_paths(Path(f"{first.stem}.slc"), first.world)
    return [path.name for rank, path in enumerate(whole) if rank not in present]


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

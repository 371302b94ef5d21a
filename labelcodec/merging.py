"""Merging of shards into one container, without re-encoding."""

from __future__ import annotations

import os
from collections.abc import Sequence

from labelcodec.container import merge as merge_records
from labelcodec.errors import MismatchError
from labelcodec.label_files import files_of, is_list, missing_of
from labelcodec.reader import Reader
from labelcodec.remote import Location, LocationLike


def merge(
    paths: LocationLike | Sequence[LocationLike],
    out: str | os.PathLike[str],
    *,
    force: bool = False,
) -> list[Location]:
    """Merge shards into one container, with batches in order of number.

    The header's source size is the sum of the shards' source sizes.

    Args:
        paths: shards of one label set, here or elsewhere; each a file or a glob pattern.
        out: the container to create.
        force: replace an existing container.

    Returns:
        The shards.

    Raises:
        FileNotFoundError: no file matches a pattern.
        MismatchError: the shards are not of one label set, two of them hold the same batch, by
            the files' names a shard is missing, or `out` exists.
        CorruptError: a shard is damaged.
    """
    files = [file for path in (paths if is_list(paths) else [paths]) for file in files_of(path)]
    if missing := missing_of(files):
        raise MismatchError(
            f"{out}: {missing}; nothing would tell that its labels are incomplete: make those "
            "shards first. Those that are there can be read together as they are"
        )
    with Reader(files) as reader:
        merge_records(reader.shards, out, header=reader.header.to_map(), force=force)
    return files

"""One container of several shards, without encoding again."""

from __future__ import annotations

import os
from collections.abc import Sequence

from labelcodec.container import merge as merge_records
from labelcodec.reader import Reader


def merge(
    paths: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str], *, force: bool = False
) -> None:
    """Write the batches of all shards, in order of number, into one container.

    The sizes of the shards' source dumps are added up in its header.

    Args:
        paths: shards of one label set.
        out: the container to make.
        force: replace an existing container.

    Raises:
        MismatchError: the shards do not belong together, hold the same batch twice, or `out`
            exists.
        CorruptError: a shard is damaged.
    """
    with Reader(paths) as reader:
        merge_records(reader.shards, out, header=reader.header.to_map(), force=force)

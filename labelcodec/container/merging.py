"""Merging of several containers into one; batches are copied unchanged."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Any

from labelcodec.container import layout
from labelcodec.container.reader import RecordReader
from labelcodec.container.shards import Shards
from labelcodec.container.writer import RecordWriter


def merge(
    shards: Shards,
    out: str | os.PathLike[str],
    *,
    header: dict[str, Any] | None = None,
    force: bool = False,
) -> None:
    """Merge containers: write all batches, by ascending number, into one file.

    Identical side information is stored once. Optional sections that this library does not know are
    not copied, because they may be specific to one file.

    Args:
        shards: the containers.
        out: path of the merged container.
        header: its header; by default that of the first container.
        force: replace an existing `out`.

    Raises:
        MismatchError: image names differ, or `out` exists.
        CorruptError: a container is damaged.
    """
    readers, index = shards.readers, shards.index
    names = shards.names()
    writer = RecordWriter(out, readers[0].header if header is None else header, force=force)
    try:
        if names is not None:
            writer.add_section(layout.NAMES, names)
        sides = _write_sides(readers, writer)
        for shard, position in zip(index.shard.tolist(), index.position.tolist(), strict=True):
            _copy_batch(readers[shard], position, sides[shard], writer)
        writer.close()
    except BaseException:
        writer.abort(keep=False)  # it holds nothing that the shards do not
        raise


def _write_sides(readers: Sequence[RecordReader], writer: RecordWriter) -> list[list[int]]:
    """For every shard, the new numbers of its side information records."""
    written: dict[bytes, int] = {}
    renumbered = []
    for reader in readers:
        numbers = []
        for number in range(reader.sides):
            payload = reader.side(number)
            digest = hashlib.sha256(payload).digest()
            if digest not in written:
                written[digest] = writer.add_section(layout.SIDE_INFORMATION, payload)
            numbers.append(written[digest])
        renumbered.append(numbers)
    return renumbered


def _copy_batch(
    reader: RecordReader, position: int, sides: list[int], writer: RecordWriter
) -> None:
    side, payload = reader.batch(position)
    index = reader.index
    writer.add_batch(
        payload,
        side=sides[side],
        samples=int(index.samples[position]),
        number=int(index.number[position]),
        epoch=int(index.epoch[position]),
    )

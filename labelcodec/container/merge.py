"""One container of several, batches copied as they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence, Set
from contextlib import ExitStack
from typing import Any

import numpy as np

from labelcodec.container import layout
from labelcodec.container.header import differing
from labelcodec.container.reader import RecordReader
from labelcodec.container.writer import RecordWriter
from labelcodec.errors import MismatchError


def merge(
    paths: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    header: dict[str, Any] | None = None,
    ignore: Set[str] = frozenset(),
    force: bool = False,
) -> None:
    """Write the batches of all containers, by ascending number, into one.

    Side information that occurs more than once is stored once. Optional sections that this
    library does not know are not copied: what they say may hold for one file only.

    Args:
        paths: the containers, at least one.
        out: the container to make.
        header: its header; by default the first one's.
        ignore: header keys in which the containers may differ.
        force: replace an existing `out`.

    Raises:
        MismatchError: headers or image names differ, a batch number occurs twice, or `out`
            exists.
        FormatError: one of the files is not an intact container.
    """
    if not paths:
        raise MismatchError("nothing to merge: no container given")
    with ExitStack() as stack:
        readers = [stack.enter_context(RecordReader(path)) for path in paths]
        for reader in readers[1:]:
            _check_header(readers[0], reader, ignore)
        names = _common_names(readers)
        order = _by_number(readers)
        writer = RecordWriter(out, readers[0].header if header is None else header, force=force)
        try:
            if names is not None:
                writer.add_section(layout.NAMES, names)
            sides = _write_sides(readers, writer)
            for shard, position in order:
                _copy_batch(readers[shard], position, sides[shard], writer)
            writer.close()
        except BaseException:
            writer.abort(keep=False)  # nothing in it that the shards do not hold
            raise


def _check_header(first: RecordReader, other: RecordReader, ignore: Set[str]) -> None:
    keys = differing(first.header, other.header, ignore)
    if keys:
        raise MismatchError(
            f"{other.path}: its header differs from that of {first.path} in {', '.join(keys)}; "
            "only shards of one label set can be merged"
        )


def _common_names(readers: Sequence[RecordReader]) -> bytes | None:
    names = readers[0].names()
    for reader in readers[1:]:
        if reader.names() != names:
            raise MismatchError(
                f"{reader.path}: its image names differ from those of {readers[0].path}"
            )
    return names


def _by_number(readers: Sequence[RecordReader]) -> list[tuple[int, int]]:
    """Shard and position of every batch, by ascending number."""
    number = np.concatenate([reader.index.number for reader in readers])
    shard = np.repeat(np.arange(len(readers)), [len(reader) for reader in readers])
    position = np.concatenate([np.arange(len(reader)) for reader in readers])
    order = np.argsort(number, kind="stable")
    repeated = np.flatnonzero(np.diff(number[order]) == 0)
    if len(repeated):
        one, other = order[repeated[0]], order[repeated[0] + 1]
        raise MismatchError(
            f"{readers[shard[other]].path}: batch number {number[other]} is also in "
            f"{readers[shard[one]].path}"
        )
    return list(zip(shard[order].tolist(), position[order].tolist(), strict=True))


def _write_sides(readers: Sequence[RecordReader], writer: RecordWriter) -> list[list[int]]:
    """For every shard, the new number of each of its side information records."""
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

"""Equality of label sets that were read in different ways."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import labelcodec
from labelcodec.reader import Reader


def assert_same(reader: Reader, path: Path, positions: Iterable[int] | None = None) -> None:
    """All batches, or those at these positions, are stored as in the file at a path."""
    with labelcodec.open(path) as local:
        assert len(reader) == len(local) and reader.header == local.header
        for position in range(len(local)) if positions is None else positions:
            assert (reader[position].labels.value == local[position].labels.value).all()
            assert bytes(reader.stored(position)[1]) == bytes(local.stored(position)[1])


def numbers(reader: Reader, positions: Iterable[int]) -> list[int]:
    """The numbers of the batches at these positions; a process without torch can call it."""
    return [reader[position].number for position in positions]

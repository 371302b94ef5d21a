"""Several containers as one: the same header, every batch once, in order of number."""

from __future__ import annotations

import os
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from labelcodec.container.reader import RecordReader
from labelcodec.errors import MismatchError
from labelcodec.mapdiff import differing


@dataclass(frozen=True, eq=False)
class SetIndex:
    """One entry a batch, in order of number; int64 (n,) columns.

    Attributes:
        number: batch number.
        epoch: its epoch.
        samples: its samples.
        size: bytes of its record.
        shard: which of the containers holds it.
        position: its place in that container.
    """

    number: NDArray[np.int64]
    epoch: NDArray[np.int64]
    samples: NDArray[np.int64]
    size: NDArray[np.int64]
    shard: NDArray[np.int64]
    position: NDArray[np.int64]

    def __len__(self) -> int:
        """n, the number of batches."""
        return len(self.number)


class Shards:
    """Opened containers that belong together; as safe to share and to pickle as they are.

    Args:
        paths: the containers, at least one.
        own: header keys in which they may differ.

    Attributes:
        readers: one a container, in the order given.
        index: the batches of all of them.

    Raises:
        FormatError: one of the files is not an intact container.
        MismatchError: no container, headers that differ, or a batch number that occurs twice.
    """

    def __init__(
        self, paths: Sequence[str | os.PathLike[str]], own: Set[str] = frozenset()
    ) -> None:
        if not paths:
            raise MismatchError("no container given")
        self.readers = tuple(RecordReader(path) for path in paths)
        self.index = _join(self.readers)
        self._check_headers(own)
        self._check_numbers()

    def __getstate__(self) -> dict[str, Any]:
        return {"readers": self.readers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.readers = state["readers"]
        self.index = _join(self.readers)

    def _check_headers(self, own: Set[str]) -> None:
        first = self.readers[0]
        for other in self.readers[1:]:
            keys = differing(first.header, other.header, own)
            if keys:
                raise MismatchError(
                    f"{other.path}: its header differs from that of {first.path} in "
                    f"{', '.join(keys)}; only shards of one label set belong together"
                )

    def _check_numbers(self) -> None:
        index = self.index
        repeated = np.flatnonzero(np.diff(index.number) == 0)
        if len(repeated):
            at = int(repeated[0])
            one, other = (self.readers[int(shard)].path for shard in index.shard[at : at + 2])
            raise MismatchError(f"{other}: batch number {index.number[at]} is also in {one}")

    def names(self) -> bytes | None:
        """Payload of the image names section, or None when there is none.

        Raises:
            MismatchError: the containers do not agree in it.
        """
        first = self.readers[0]
        names = first.names()
        for other in self.readers[1:]:
            if other.names() != names:
                raise MismatchError(
                    f"{other.path}: its image names differ from those of {first.path}"
                )
        return names

    def close(self) -> None:
        """Close the files."""
        for reader in self.readers:
            reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _join(readers: Sequence[RecordReader]) -> SetIndex:
    columns = {
        name: np.concatenate([getattr(reader.index, name) for reader in readers])
        for name in ("number", "epoch", "samples", "size")
    }
    lengths = [len(reader) for reader in readers]
    columns["shard"] = np.repeat(np.arange(len(readers)), lengths)
    columns["position"] = np.concatenate([np.arange(length) for length in lengths])
    order = np.argsort(columns["number"], kind="stable")
    return SetIndex(**{name: column[order] for name, column in columns.items()})

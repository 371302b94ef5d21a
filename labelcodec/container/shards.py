"""Several containers as one label set: equal headers, every batch once, ordered by number."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from labelcodec.container.reader import RecordReader
from labelcodec.errors import MismatchError
from labelcodec.mapdiff import differing
from labelcodec.remote import LocationLike

HELD_OPEN = 128  # most shards that stay open; files of larger sets are opened for each read


@dataclass(frozen=True, eq=False)
class SetIndex:
    """One entry per batch of a label set, in order of number, as int64 (n,) columns.

    Attributes:
        number: batch number.
        epoch: epoch of the batch.
        samples: number of samples.
        size: size of the record in bytes.
        shard: which container holds it.
        position: its position in that container.
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
    """The open containers of one label set; they can be shared and pickled like their readers.

    Args:
        paths: the containers, at least one.
        own: header keys in which they may differ.

    Attributes:
        readers: one reader per container, in the order of `paths`.
        index: the batches of all containers.

    Raises:
        FormatError: a file is not an intact container.
        MismatchError: no container, headers that differ, or a batch number that occurs twice.
    """

    def __init__(self, paths: Sequence[LocationLike], own: Set[str] = frozenset()) -> None:
        if not paths:
            raise MismatchError("no container given")
        hold = len(paths) <= HELD_OPEN
        self.readers = tuple(RecordReader(path, hold=hold) for path in paths)
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
        for reader in self.readers[1:]:
            keys = differing(first.header, reader.header, own)
            if keys:
                raise MismatchError(
                    f"{reader.path}: its header differs from that of {first.path} in "
                    f"{', '.join(keys)}; only shards of one label set belong together"
                )

    def _check_numbers(self) -> None:
        index = self.index
        repeated = np.flatnonzero(np.diff(index.number) == 0)
        if len(repeated):
            at = int(repeated[0])
            first, second = (self.readers[int(shard)].path for shard in index.shard[at : at + 2])
            raise MismatchError(f"{second}: batch number {index.number[at]} is also in {first}")

    def names(self) -> bytes | None:
        """Payload of the image names section; None if there is none.

        Raises:
            MismatchError: the containers hold different names.
        """
        first = self.readers[0]
        names = first.names()
        for reader in self.readers[1:]:
            if reader.names() != names:
                raise MismatchError(
                    f"{reader.path}: its image names differ from those of {first.path}"
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
    """Index of all batches, sorted by number."""
    columns = {
        name: np.concatenate([getattr(reader.index, name) for reader in readers])
        for name in ("number", "epoch", "samples", "size")
    }
    lengths = [len(reader) for reader in readers]
    columns["shard"] = np.repeat(np.arange(len(readers)), lengths)
    columns["position"] = np.concatenate([np.arange(length) for length in lengths])
    order = np.argsort(columns["number"], kind="stable")
    return SetIndex(**{name: column[order] for name, column in columns.items()})

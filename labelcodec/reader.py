"""Reading label sets: one container, or several shards that together are one set."""

from __future__ import annotations

import glob as _glob
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

from labelcodec.batch import LabelBatch
from labelcodec.codecs.batches import BatchCoder
from labelcodec.codecs.streams import FRAMING, SIDE_INFORMATION
from labelcodec.container import RecordReader, Shards
from labelcodec.container.layout import SIDE_INFORMATION as SIDE_TAG
from labelcodec.entropy.coding import Usage
from labelcodec.errors import LabelcodecError
from labelcodec.header import OWN, Header
from labelcodec.image_names import unpack_names

PathLike = str | os.PathLike[str]
T = TypeVar("T")


class Reader:
    """A label set, read batch by batch, in order of batch number.

    Safe to use from several threads and from forked or spawned processes: a batch is one
    positioned read, and a pickled reader opens its files again.

    Example:
        >>> with labelcodec.open("labels.slc") as labels:
        ...     batch = labels[0]
        ...     logits = batch.labels.dense()  # float32 (B, C)

    Args:
        paths: containers; several must be shards of one label set.

    Raises:
        FormatError: a file is not a container, or is damaged (CorruptError) or too new
            (VersionError).
        MismatchError: the shards' headers differ, or two hold the same batch.

    Attributes:
        header: what is true of the whole set.
        index: one entry a batch.
        shards: the containers, one level below labels.
    """

    def __init__(self, paths: Sequence[PathLike]) -> None:
        self._start(Shards(paths, OWN))

    def _start(self, shards: Shards) -> None:
        self.shards = shards
        self.index = shards.index
        self.header = _joined([_header(shard) for shard in shards.readers])
        self._where = str(shards.readers[0].path)
        self._coders: dict[tuple[int, int], BatchCoder] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"shards": self.shards}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._start(state["shards"])

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the set."""
        return tuple(shard.path for shard in self.shards.readers)

    @property
    def names(self) -> tuple[str, ...] | None:
        """Image names in order of image index, where the set stores them."""
        packed = self.shards.names()
        return None if packed is None else unpack_names(packed, self._where)

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.index)

    def __getitem__(self, i: int) -> LabelBatch:
        """Batch i, 0..n-1 in order of number; negative from the end.

        Raises:
            CorruptError: the batch is damaged.
            IndexError: there is no such batch.
        """
        return self._on(i, lambda coder, data, key: coder.decode(data, *key))

    def __iter__(self) -> Iterator[LabelBatch]:
        return (self[i] for i in range(len(self)))

    def component_bytes(self, i: int) -> dict[str, int]:
        """Stored bytes of batch i by component; they sum to `index.size[i]`."""
        sizes = self._on(i, lambda coder, data, _: coder.stream_bytes(data))
        return sizes | {FRAMING: int(self.index.size[i]) - sum(sizes.values())}

    def overhead_bytes(self) -> dict[str, int]:
        """Bytes of the files that are in no batch, by component."""
        side = sum(s.size for shard in self.shards.readers for s in shard.index.of(SIDE_TAG))
        total = sum(shard.size for shard in self.shards.readers)
        return {SIDE_INFORMATION: side, FRAMING: total - side - int(self.index.size.sum())}

    def side(self, i: int) -> tuple[int, int]:
        """What batch i was coded with: its shard, and the number of side information there."""
        shard, position = int(self.index.shard[i]), int(self.index.position[i])
        return shard, self.shards.readers[shard].batch(position)[0]

    def usage(self, i: int) -> dict[str, Usage]:
        """Accounting of batch i's entropy-coded streams, by component."""
        return self._on(i, lambda coder, data, key: coder.usage(coder.decode(data, *key), data))

    def chosen(self) -> list[dict[str, Any]]:
        """What fitting the codec chose and reached, where it chose, by side information.

        Raises:
            LabelcodecError: side information that cannot be read.
        """
        found = []
        for shard, record in enumerate(self.shards.readers):
            for side in range(len(record.index.of(SIDE_TAG))):
                try:
                    found.append(self._coder(shard, side).labels.chosen())
                except LabelcodecError as error:
                    raise type(error)(f"{record.path}: {error}") from None
        return [chosen for chosen in found if chosen]

    def close(self) -> None:
        """Close the files."""
        self.shards.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _on(self, i: int, use: Callable[[BatchCoder, memoryview, tuple[int, int, int]], T]) -> T:
        """What `use` makes of batch i, errors naming file and batch."""
        index = self.index
        if not -len(index) <= i < len(index):
            raise IndexError(f"{self._where}: batch {i} of {len(index)}")
        shard, position = int(index.shard[i]), int(index.position[i])
        key = int(index.samples[i]), int(index.number[i]), int(index.epoch[i])
        record = self.shards.readers[shard]
        side, data = record.batch(position)
        try:
            return use(self._coder(shard, side), data, key)
        except LabelcodecError as error:
            raise type(error)(f"{record.path}: batch {key[1]}: {error}") from None

    def _coder(self, shard: int, side: int) -> BatchCoder:
        with self._lock:
            coder = self._coders.get((shard, side))
            if coder is None:
                record = self.shards.readers[shard]
                coder = BatchCoder.load(_header(record), record.side(side), "side information")
                self._coders[shard, side] = coder
            return coder


def open(paths: PathLike | Sequence[PathLike]) -> Reader:
    """Open a label set.

    Args:
        paths: a container, a glob pattern, or a list of containers that are shards of one set.

    Returns:
        A `Reader`; use it as a context manager.

    Raises:
        FileNotFoundError: nothing matches.
        LabelcodecError: as `Reader`.
    """
    if not isinstance(paths, (str, os.PathLike)):
        if not paths:
            raise FileNotFoundError("an empty list of containers")
        return Reader(list(paths))
    text = os.fspath(paths)
    if os.path.exists(text) or not _glob.has_magic(text):
        return Reader([text])
    found = sorted(_glob.glob(text))
    if not found:
        raise FileNotFoundError(f"no file matches {text!r}")
    return Reader(found)


def _header(shard: RecordReader) -> Header:
    return Header.from_map(shard.header, str(shard.path))


def _joined(headers: Sequence[Header]) -> Header:
    """The first header, the sizes of the sources added up, without digests of its own source."""
    source = headers[0].source
    if len(headers) == 1 or source is None:
        return headers[0]
    shared = {key: value for key, value in source.items() if not key.endswith("_sha256")}
    sizes = [(header.source or {}).get("bytes") for header in headers]
    if all(type(size) is int for size in sizes):
        shared["bytes"] = sum(sizes)
    return replace(headers[0], source=shared)

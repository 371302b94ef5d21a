"""Reading and encoding of batches, in one process or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pickle import PickleBuffer
from typing import Any, Protocol

from labelcodec.batch import LabelBatch
from labelcodec.codecs import float_bits
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.codecs.interface import Codec
from labelcodec.container.partial_reader import StoredBatch
from labelcodec.container.writer import Payload
from labelcodec.workers import ordered_map
from labelcodec.writer import prepare


class Batches(Protocol):
    """Source of batches, which worker processes get a copy of by pickling."""

    def __len__(self) -> int:
        """Number of batches."""

    def read(self, i: int) -> LabelBatch:
        """Batch i."""


@dataclass(frozen=True)
class PartOf:
    """Consecutive batches of a source.

    Attributes:
        source: the batches.
        positions: those that belong to the part.
    """

    source: Batches
    positions: range

    def __len__(self) -> int:
        return len(self.positions)

    def read(self, i: int) -> LabelBatch:
        """Batch i of the part."""
        return self.source.read(self.positions[i])


@dataclass(frozen=True, eq=False)
class Encoded:
    """An encoded batch.

    Attributes:
        batch: its bytes, and what the container says about it.
        nonfinite: number of labels with NaN or infinite values.
    """

    batch: StoredBatch
    nonfinite: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the bytes as a buffer, which `workers` sends without copying it."""
        return _received, (PickleBuffer(self.batch.payload), *self.batch[1:], self.nonfinite)


def encoded(
    source: Batches,
    coder: BatchCoder,
    codec: Codec,
    allow_nonfinite: bool,
    todo: Sequence[int],
    threads: int | None = None,
) -> Iterator[Encoded]:
    """Read and encode the batches at the positions `todo`, in order.

    Args:
        source: the batches, by position.
        coder: codec with its tables.
        codec: the codec's configuration.
        allow_nonfinite: store NaN and infinities that the codec would refuse.
        todo: positions of the batches.
        threads: most processes at a time, see `labelcodec.workers`; it does not change the bytes.

    Raises:
        LabelcodecError: a batch is invalid, or the codec cannot store its labels.
    """
    encode = partial(_encode_one, source, coder, codec, allow_nonfinite)
    return ordered_map(encode, todo, threads)


def _encode_one(
    source: Batches, coder: BatchCoder, codec: Codec, allow_nonfinite: bool, i: int
) -> Encoded:
    batch = prepare(source.read(i), codec, allow_nonfinite, coder.header.shift)
    payload = coder.encode(batch)
    stored = StoredBatch(memoryview(payload), len(batch), batch.number, batch.epoch)
    return Encoded(stored, float_bits.nonfinite_labels(batch.labels))


def _received(payload: Payload, samples: int, number: int, epoch: int, nonfinite: int) -> Encoded:
    return Encoded(StoredBatch(memoryview(payload), samples, number, epoch), nonfinite)

"""Token sequences put together again from the batches that they are spread over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.kept_counts import kept_of


@dataclass(frozen=True, eq=False)
class Whole:
    """The labels of a sequence of L positions.

    Attributes:
        value: (L, k) values.
        index: (L, k) int64 classes.
        count: (L,) int64 number of kept classes; the rest is padding.
        tokens: (L,) token ids; None if unknown.
    """

    value: NDArray[Any]
    index: NDArray[np.int64]
    count: NDArray[np.int64]
    tokens: NDArray[Any] | None


def whole_sequences(batches: Iterable[LabelBatch]) -> Iterator[Whole]:
    """The labels of each sequence.

    Args:
        batches: batches of kind 'tokens', in order.

    Raises:
        DumpError: the labels hold all classes, probabilities, or a tail.
    """
    pending: list[Whole] = []
    last: tuple[int, int] | None = None  # number of the sequence, and its end so far
    for batch in batches:
        labels, sequences = batch.labels.expanded(), batch.sequences
        assert sequences is not None
        if labels.index is None:
            raise DumpError(
                "these labels hold all classes: encode them with codec topk first, or write layout "
                "arrays"
            )
        if labels.space != "logits" or labels.tail != "zero":
            raise DumpError(
                f"batch {batch.number}: has {labels.space} with tail {labels.tail}, and the layout "
                "holds log-probabilities alone; pass `layout=parquet` or `layout=arrays`"
            )
        count = kept_of(labels)
        for begin, start, length in zip(
            sequences.first.tolist(),
            sequences.start.tolist(),
            sequences.length.tolist(),
            strict=True,
        ):
            number = int(batch.image_index[begin])
            if pending and last != (number, start):
                yield _joined(pending)
                pending = []
            rows = slice(begin, begin + length)
            tokens = None if sequences.tokens is None else sequences.tokens[rows]
            pending.append(Whole(labels.value[rows], labels.index[rows], count[rows], tokens))
            last = number, start + length
    if pending:
        yield _joined(pending)


def _joined(parts: list[Whole]) -> Whole:
    if len(parts) == 1:
        return parts[0]
    tokens = [part.tokens for part in parts if part.tokens is not None]
    return Whole(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.index for part in parts]),
        np.concatenate([part.count for part in parts]),
        np.concatenate(tokens) if tokens else None,
    )

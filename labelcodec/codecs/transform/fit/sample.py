"""Samples of labels: those that the tables are fitted to, and those they are measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.transform.compact import TransformLabels, fingerprint
from labelcodec.codecs.transform.fit.analysis import centre
from labelcodec.codecs.transform.format import MAX_SIDE
from labelcodec.codecs.transform.image_mixture import ImageMixture, concatenate, image_mixture

CELLS = 1 << 22  # logits analysed at once, to bound memory
HELD = 8  # one label in eight is held out of the fit if the file has more than are at hand
LEAST_HELD = 64  # smallest number of labels to hold out


@dataclass(frozen=True, eq=False)
class Sample:
    """Labels, and the image mixtures of their inputs.

    Attributes:
        centred: (N, C) float32 labels less their own mean.
        shown: mixtures of the N inputs; None if they are unknown.
        size: (height, width) of the network input in pixels, as far as mix boxes tell.
        batches: fingerprint and number of labels of each batch, if these are all their labels in
            order; else nothing.
    """

    centred: NDArray[np.float32]
    shown: ImageMixture | None = None
    size: tuple[int, int] = (1, 1)
    batches: tuple[tuple[bytes, int], ...] = ()

    def __len__(self) -> int:
        """N, the number of labels."""
        return len(self.centred)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Sample:
        """A selection of the labels."""
        return Sample(
            self.centred[rows], None if self.shown is None else self.shown[rows], self.size
        )

    def blocks(self, most: int) -> Iterator[Sample]:
        """The labels in order, at most `most` at once and never of two batches."""
        first = 0
        for length in [length for _, length in self.batches] or [len(self)]:
            for start in range(first, first + length, most):
                yield self[start : min(start + most, first + length)]
            first += length

    def by_batch(self, labels: TransformLabels) -> dict[bytes, TransformLabels]:
        """Compact labels of the sample by the fingerprint of their batch."""
        ends = np.cumsum([length for _, length in self.batches], dtype=int).tolist()
        return {
            mark: labels[end - length : end]
            for (mark, length), end in zip(self.batches, ends, strict=True)
        }

    def spread(self, most: int) -> Sample:
        """At most `most` labels, evenly spread."""
        return self[:: -(-len(self) // most)]

    def at_once(self, most: int) -> Sample:
        """At most `most` labels, evenly spread, within the memory limit of one analysis."""
        return self.spread(max(1, min(most, CELLS // self.centred.shape[1])))


@dataclass(frozen=True, eq=False)
class Samples:
    """The labels available for fitting the tables of a file.

    Attributes:
        all: all labels at hand.
        fitted: labels that basis and image means are fitted to.
        tried: labels that candidates are measured on. A fit flatters the labels it has seen, so
            these contain seen labels in the same proportion as the file does.
        total: labels of the whole file, which share the side information.
        batch: largest number of labels per batch.
    """

    all: Sample
    fitted: Sample
    tried: Sample
    total: int
    batch: int


def gather(
    parts: Sequence[Labels], contexts: Sequence[BatchContext], expected: int | None = None
) -> Samples:
    """Collect the labels of at least one batch for fitting.

    Args:
        parts: labels of the batches.
        contexts: contexts of the batches; may be empty.
        expected: number of labels in the whole file, if more than these will follow.
    """
    count, batch = sum(map(len, parts)), max(map(len, parts))
    total = max(expected or 0, count)
    if total == count or count < HELD * LEAST_HELD:
        marks = tuple((fingerprint(part), len(part)) for part in parts)
        sample = replace(_joined(parts, contexts, np.arange(count)), batches=marks)
        return Samples(sample, sample, sample, total, batch)
    held = np.arange(count) % HELD == HELD - 1
    sample = _joined(parts, contexts, np.argsort(held, kind="stable"))  # held ones last: no copies
    seen = count - int(held.sum())
    tried = min((count - seen) / (1 - seen / total), total)
    rows = _spread(0, seen, tried * seen / total), _spread(seen, count, tried * (1 - seen / total))
    return Samples(sample, sample[:seen], sample[np.concatenate(rows)], total, batch)


def _spread(first: int, stop: int, count: float) -> NDArray[np.int64]:
    """About `count` of the numbers first..stop-1, evenly spread."""
    return np.linspace(first, stop - 1, round(count)).astype(np.int64)


def _joined(
    parts: Sequence[Labels], contexts: Sequence[BatchContext], order: NDArray[np.int64]
) -> Sample:
    """The labels of all batches as one sample, in the given order."""
    centred = np.empty((len(order), parts[0].classes), np.float32)
    row_of, stop = np.argsort(order), 0
    for part in parts:
        first, stop = stop, stop + len(part)
        centred[row_of[first:stop]] = centre(part.dense())
    if not contexts:
        return Sample(centred)
    height, width = (
        np.clip([context.edges() for context in contexts], 1, MAX_SIDE).max(axis=0).tolist()
    )
    seen = concatenate([image_mixture(context, (height, width)) for context in contexts])
    return Sample(centred, seen[order], (height, width))

"""The labels that the transform codec's tables are fitted to, and those they are tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.transform.analysis import centre
from labelcodec.codecs.transform.shown import MAX_SIDE, Shown, join, shown

CELLS = 1 << 22  # logits analysed at once, which bounds the memory
HELD = 8  # one label in so many is kept from the fit where the file has more than are at hand
LEAST_HELD = 64


@dataclass(frozen=True, eq=False)
class Sample:
    """Labels, and what their pictures show.

    Attributes:
        centred: (N, C) labels less their own mean.
        shown: the N pictures, None where they are not known.
        size: (height, width) of the pictures, as far as mix boxes tell.
    """

    centred: NDArray[np.float32]
    shown: Shown | None = None
    size: tuple[int, int] = (1, 1)

    def __len__(self) -> int:
        """N, the number of labels."""
        return len(self.centred)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Sample:
        """Some of the labels."""
        return Sample(
            self.centred[rows], None if self.shown is None else self.shown[rows], self.size
        )

    def spread(self, most: int) -> Sample:
        """At most so many labels, evenly spread."""
        return self[:: -(-len(self) // most)]

    def at_once(self, most: int) -> Sample:
        """At most so many labels, evenly spread, and no more than may be analysed at once."""
        return self.spread(max(1, min(most, CELLS // self.centred.shape[1])))


@dataclass(frozen=True, eq=False)
class Samples:
    """What the tables of a file are made of.

    Attributes:
        all: labels at hand.
        fitted: those that basis and means are fitted to.
        tried: those that choices are measured on. A fit flatters labels that it has seen, so it
            has seen as large a share of these as of the file.
        total: labels of the file, which share the side information.
        batch: labels of a batch.
    """

    all: Sample
    fitted: Sample
    tried: Sample
    total: int
    batch: int


def gather(
    parts: Sequence[Labels], pictures: Sequence[Pictures], expected: int | None = None
) -> Samples:
    """The labels of some batches of a file, at least one.

    Args:
        parts: labels of the batches.
        pictures: of the batches; may be empty.
        expected: labels of the whole file, where more than these are known to come.
    """
    count, batch = sum(map(len, parts)), max(map(len, parts))
    total = max(expected or 0, count)
    if total == count or count < HELD * LEAST_HELD:
        sample = _joined(parts, pictures, np.arange(count))
        return Samples(sample, sample, sample, total, batch)
    held = np.arange(count) % HELD == HELD - 1
    sample = _joined(parts, pictures, np.argsort(held, kind="stable"))  # held ones last: no copies
    seen = count - int(held.sum())
    tried = min((count - seen) / (1 - seen / total), total)
    rows = _spread(0, seen, tried * seen / total), _spread(seen, count, tried * (1 - seen / total))
    return Samples(sample, sample[:seen], sample[np.concatenate(rows)], total, batch)


def _spread(first: int, stop: int, wanted: float) -> NDArray[np.int64]:
    """So many of the numbers from `first` up to `stop`."""
    return np.linspace(first, stop - 1, round(wanted)).astype(np.int64)


def _joined(
    parts: Sequence[Labels], pictures: Sequence[Pictures], order: NDArray[np.int64]
) -> Sample:
    centred = np.empty((len(order), parts[0].classes), np.float32)
    place, stop = np.argsort(order), 0
    for part in parts:
        first, stop = stop, stop + len(part)
        centred[place[first:stop]] = centre(part.dense())
    if not pictures:
        return Sample(centred)
    height, width = np.clip([one.edges() for one in pictures], 1, MAX_SIDE).max(axis=0).tolist()
    seen = join([shown(one, (height, width)) for one in pictures])
    return Sample(centred, seen[order], (height, width))

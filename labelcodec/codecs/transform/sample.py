"""The labels that the transform codec's tables are fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.transform.analysis import centre
from labelcodec.codecs.transform.shown import MAX_SIDE, Shown, join, shown

CELLS = 1 << 22  # logits analysed at once, which bounds the memory


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

    def __getitem__(self, rows: slice) -> Sample:
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


def gather(batches: Iterable[Labels], pictures: Sequence[Pictures]) -> Sample | None:
    """The labels of some batches, and their pictures if there are any; None without labels."""
    parts = list(batches)
    if not parts:
        return None
    centred = np.empty((sum(map(len, parts)), parts[0].classes), np.float32)
    stop = 0
    for part in parts:
        first, stop = stop, stop + len(part)
        centred[first:stop] = centre(part.dense())
    if not pictures:
        return Sample(centred)
    height, width = np.clip([one.edges() for one in pictures], 1, MAX_SIDE).max(axis=0).tolist()
    return Sample(centred, join([shown(one, (height, width)) for one in pictures]), (height, width))

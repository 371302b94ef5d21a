"""Drawn classes as rectangular labels, and back (SPEC, A-1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelcodec.kept_counts import pad_classes

Integers = NDArray[np.int64]
UNIT = 1 << 16  # the probability of a kept class is stored in parts of this


@dataclass(frozen=True, eq=False)
class Drawn:
    """Classes that each label of a batch keeps, and classes that were drawn from its others.

    Attributes:
        kept: (B, K) classes whose probability is stored.
        mass: (B, K) their probability, in 1 / 65536; at most 65536 in all.
        rows: (m,) label of each drawn class, ascending; labels that keep all of their
            probability have none.
        classes: (m,) drawn classes, none of them a kept one.
        counts: (m,) how often each was drawn, 1 and more; n in all for a label.
    """

    kept: Integers
    mass: Integers
    rows: Integers
    classes: Integers
    counts: Integers

    @cached_property
    def rest(self) -> Integers:
        """(B,) probability that is left to the drawn classes, in 1 / 65536."""
        left: Integers = UNIT - self.mass.sum(axis=1)
        return left

    @cached_property
    def sizes(self) -> Integers:
        """(B,) number of drawn classes of each label."""
        return np.bincount(self.rows, minlength=len(self.kept))

    def members(self) -> tuple[Integers, Integers]:
        """Labels, ascending, and classes of all that is kept or drawn."""
        samples, keep = self.kept.shape
        rows = np.concatenate([np.repeat(np.arange(samples), keep), self.rows])
        order = np.argsort(rows, kind="stable")
        return rows[order], np.concatenate([self.kept.ravel(), self.classes])[order]


def to_arrays(drawn: Drawn, draws: int) -> tuple[Integers, NDArray[np.float32]]:
    """Classes and probabilities of each label.

    The first K columns are its kept classes, in falling order of probability, then by class; behind
    them are the drawn ones, in falling order of count, then by class. A label with fewer classes is
    filled up with the smallest classes that it lacks, probability 0.

    Args:
        drawn: the classes of a batch.
        draws: n, draws per label.

    Returns:
        (B, K + n) classes and (B, K + n) float32 probabilities.
    """
    samples, keep = drawn.kept.shape
    index = np.zeros((samples, keep + draws), np.int64)
    value = np.zeros(index.shape)
    by_mass = np.lexsort((drawn.kept, -drawn.mass), axis=1)
    index[:, :keep] = np.take_along_axis(drawn.kept, by_mass, axis=1)
    value[:, :keep] = np.take_along_axis(drawn.mass, by_mass, axis=1) / UNIT
    order = np.lexsort((drawn.classes, -drawn.counts, drawn.rows))
    rows = drawn.rows
    column = keep + np.arange(len(rows)) - (np.cumsum(drawn.sizes) - drawn.sizes)[rows]
    index[rows, column] = drawn.classes[order]
    value[rows, column] = drawn.counts[order] * drawn.rest[rows] / (draws * UNIT)
    return pad_classes(index, keep + drawn.sizes), value.astype(np.float32)


def from_arrays(
    index: Integers, value: NDArray[np.floating], draws: int
) -> tuple[Drawn, NDArray[np.bool_]]:
    """Inverse of `to_arrays`, and (B,) whether each label's values can be its result."""
    keep = index.shape[1] - draws
    mass = np.rint(value[:, :keep].astype(np.float64) * UNIT).astype(np.int64)
    rest = UNIT - mass.sum(axis=1)
    share = value[:, keep:].astype(np.float64) * (draws * UNIT)
    count = np.rint(share / np.maximum(rest, 1)[:, None]).astype(np.int64)
    rows, columns = np.nonzero(count)
    kept, classes = index[:, :keep], index[rows, keep + columns]
    fits = (rest >= 0) & (count.sum(axis=1) == np.where(rest > 0, draws, 0))
    return Drawn(kept, mass, rows, classes, count[rows, columns]), fits

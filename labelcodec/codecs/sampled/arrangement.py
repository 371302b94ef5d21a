"""Drawn classes as rectangular labels, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.kept_counts import pad_classes

Integers = NDArray[np.int64]


def to_arrays(
    rows: Integers, classes: Integers, counts: Integers, samples: int, width: int
) -> tuple[Integers, Integers]:
    """Classes and counts of each label, in falling order of count, then by class.

    A label with fewer classes is filled up with the smallest classes that it lacks, count 0.

    Args:
        rows: (m,) label of each drawn class, ascending.
        classes: (m,) drawn classes.
        counts: (m,) how often each was drawn, 1 and more.
        samples: B.
        width: k, columns; no label has more classes.

    Returns:
        (B, k) classes and (B, k) counts.
    """
    order = np.lexsort((classes, -counts, rows))
    column = np.arange(len(rows)) - np.searchsorted(rows, np.arange(samples))[rows]
    index, count = np.zeros((2, samples, width), np.int64)
    index[rows, column], count[rows, column] = classes[order], counts[order]
    return pad_classes(index, np.bincount(rows, minlength=samples)), count


def to_lists(index: Integers, count: Integers) -> tuple[Integers, Integers, Integers]:
    """Inverse of `to_arrays`: rows, classes and counts of all drawn classes."""
    rows, columns = np.nonzero(count)
    return rows, index[rows, columns], count[rows, columns]

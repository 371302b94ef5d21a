"""Two sets of top-k labels over the classes that either keeps, and one column for all others.

Labels of a vocabulary keep a few of a hundred thousand classes. All that both leave out have one
value in each set, so that they count as a single class of that many.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.kept_counts import repeated

Floats = NDArray[np.float64]
WORTHWHILE = 4  # classes per column of the union, from which on it is used


def is_worthwhile(a: Labels, b: Labels) -> bool:
    """Whether two sets are compared faster by the classes that they keep, and can be."""
    if a.index is None or b.index is None:
        return False
    columns = a.index.shape[1] + b.index.shape[1] + 1
    is_sparse = WORTHWHILE * columns < a.classes
    return is_sparse and not (repeated(a.index).any() or repeated(b.index).any())


def over_union(a: Labels, b: Labels) -> tuple[Floats, Floats, Floats]:
    """Logits of both sets over the union of their classes.

    Args:
        a: top-k labels of B samples; no label holds a class twice.
        b: likewise, of the same samples.

    Returns:
        (B, w) logits of each, -inf in columns without a class, and the logarithm of how many
        classes each column stands for.
    """
    assert a.index is not None and b.index is not None
    classes = np.sort(np.concatenate([a.index, b.index], axis=1), axis=1)
    is_class = np.ones(classes.shape, bool)
    is_class[:, 1:] = classes[:, 1:] != classes[:, :-1]
    left_out = a.classes - is_class.sum(axis=1)
    log_count = np.zeros((len(classes), classes.shape[1] + 1))
    log_count[:, -1] = np.log(np.maximum(left_out, 1))
    logits = []
    for labels in (a, b):
        rest = labels.left_out_value().astype(np.float64)[:, 0]
        value = np.where(is_class, _values_of(labels, classes, rest), _nothing(labels))
        last = np.where(left_out > 0, rest, _nothing(labels))
        value = np.concatenate([value, last[:, None]], axis=1)
        logits.append(np.log(value) if labels.space == "probabilities" else value)
    return logits[0], logits[1], log_count


def _nothing(labels: Labels) -> float:
    """The value that stands for probability 0."""
    return 0.0 if labels.space == "probabilities" else -np.inf


def _values_of(labels: Labels, classes: NDArray[np.int64], rest: Floats) -> Floats:
    """(B, w) values of classes of each label; `rest` of those that it leaves out."""
    assert labels.index is not None
    order = np.argsort(labels.index, axis=1)
    offset = np.arange(len(classes))[:, None] * labels.classes
    kept = (np.take_along_axis(labels.index, order, axis=1) + offset).ravel()
    value = np.take_along_axis(labels.value.astype(np.float64), order, axis=1).ravel()
    key = classes + offset
    at = np.minimum(np.searchsorted(kept, key), len(kept) - 1)
    values: Floats = np.where(kept[at] == key, value[at], rest[:, None])
    return values

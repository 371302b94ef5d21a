"""Top-k labels that keep different numbers of classes: their padding, and their groups.

`Labels.count` says how many classes each label keeps. The columns behind them are padding: the
smallest classes that the label leaves out, with the value that its tail gives them. So what does
not look at `count` sees the same distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.errors import DataError


def pad(labels: Labels, count: NDArray[np.int64]) -> Labels:
    """Labels that keep only their first `count` classes.

    Args:
        labels: (B, k) top-k labels; what they hold behind the first `count` does not matter.
        count: (B,) number of classes that each label keeps, 1..k.

    Returns:
        The labels with padding in place of the rest; `count` is None if all keep k classes.

    Raises:
        DataError: full labels, or numbers that are not one in 1..k for each label.

    Example:
        >>> labels = pad(Labels(50_000, logits, index, tail="zero"), np.array([20, 3, 11]))
    """
    if labels.index is None:
        raise DataError("full labels keep all classes, they have no numbers of kept ones")
    k = labels.index.shape[1]
    count = np.asarray(count)
    if count.shape != (len(labels),) or count.dtype.kind not in "iu":
        raise DataError(f"numbers of kept classes: expected {len(labels)} integers")
    if (count < 1).any() or (count > k).any():
        raise DataError(f"numbers of kept classes must lie in 1..{k}")
    if (count == k).all():
        return replace(labels, count=None)
    is_kept = np.arange(k) < count[:, None]
    index = pad_classes(labels.index, count)
    value = np.where(is_kept, labels.value, _value_left_out(labels, count, is_kept))
    return replace(labels, value=value, index=index, count=count.astype(np.int64))


def pad_classes(index: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """(B, k) classes: behind the first `count`, the smallest that are not among these, ascending.

    Args:
        index: (B, k) classes.
        count: (B,) how many of each row stay.
    """
    samples, k = index.shape
    is_kept = np.arange(k) < count[:, None]
    is_free = np.ones((samples, k), bool)  # k classes are enough to choose from
    rows, columns = np.nonzero(is_kept & (index >= 0) & (index < k))
    is_free[rows, index[rows, columns]] = False
    free = np.argsort(~is_free, axis=1, kind="stable")
    nth = np.maximum(np.arange(k) - count[:, None], 0)
    padded: NDArray[np.int64] = np.where(is_kept, index, np.take_along_axis(free, nth, axis=1))
    return padded


def repeated(index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(B,) whether each row of (B, k) classes holds one more than once."""
    ordered = np.sort(index, axis=1)
    repeats: NDArray[np.bool_] = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    return repeats


def kept_of(labels: Labels) -> NDArray[np.int64]:
    """(B,) number of classes that each top-k label keeps."""
    if labels.count is not None:
        return labels.count
    return np.full(len(labels), labels.value.shape[1], np.int64)


def kept_unpadded(labels: Labels) -> NDArray[np.int64]:
    """(B,) number of classes of each top-k label but for those that only fill its columns up.

    Of labels without `count` these are classes of probability 0 behind the others, the smallest
    ones that a label lacks, as the codec `sampled` has them where a class was drawn twice.
    """
    kept = kept_of(labels)
    if labels.count is not None or labels.space != "probabilities" or labels.index is None:
        return kept
    positive = np.count_nonzero(labels.value, axis=1)
    is_filled = (pad_classes(labels.index, positive) == labels.index).all(axis=1)
    unpadded: NDArray[np.int64] = np.where(is_filled, positive, kept)
    return unpadded


def by_count(labels: Labels) -> list[tuple[NDArray[np.int64], Labels]]:
    """Groups of labels that keep the same number of classes, by that number.

    Args:
        labels: top-k labels.

    Returns:
        For each group the samples in it, ascending, and their labels, without padding.
    """
    if labels.count is None:
        return [(np.arange(len(labels)), labels)]
    groups = []
    for count in np.unique(labels.count).tolist():
        samples = np.flatnonzero(labels.count == count)
        groups.append((samples, _narrowed(labels.rows(samples), count)))
    return groups


def join(groups: Sequence[tuple[NDArray[np.int64], Labels]], k: int) -> Labels:
    """Labels of all samples; the inverse of `by_count`.

    Args:
        groups: samples and labels of each group, one or more.
        k: columns of the result; no group has more.
    """
    samples = sum(len(rows) for rows, _ in groups)
    like = groups[0][1]
    value = np.zeros((samples, k), like.value.dtype)
    index = np.zeros((samples, k), np.int64)
    count = np.zeros(samples, np.int64)
    floor = None if like.floor is None else np.zeros(samples, like.floor.dtype)
    for rows, part in groups:
        assert part.index is not None
        width = part.index.shape[1]
        value[rows, :width], index[rows, :width], count[rows] = part.value, part.index, width
        if floor is not None:
            floor[rows] = part.floor
    return pad(replace(like, value=value, index=index, floor=floor), count)


def _narrowed(labels: Labels, count: int) -> Labels:
    assert labels.index is not None
    value, index = labels.value[:, :count], labels.index[:, :count]
    return replace(labels, value=value, index=index, count=None)


def _value_left_out(
    labels: Labels, count: NDArray[np.int64], is_kept: NDArray[np.bool_]
) -> NDArray[Any]:
    """(B or 1, 1) value of a class that is left out, in the dtype of the labels."""
    dtype = labels.value.dtype
    if labels.tail == "floor" and labels.floor is not None:
        return labels.floor[:, None]
    if labels.tail == "uniform":
        with np.errstate(invalid="ignore", over="ignore"):
            # one by one in order of rank (SPEC, 8.5): sums in another order end in other bits
            kept = np.cumsum(np.where(is_kept, labels.value, 0), axis=1, dtype=np.float64)[:, -1]
            share: NDArray[Any] = ((1 - kept) / np.maximum(labels.classes - count, 1))[:, None]
            return share.astype(dtype)
    return np.full((1, 1), -np.inf if labels.space == "logits" else 0, dtype)

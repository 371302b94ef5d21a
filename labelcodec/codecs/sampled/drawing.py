"""Systematic sampling of classes from label distributions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.codecs.sampled.arrangement import UNIT, Drawn, Integers
from labelcodec.kept_counts import pad_classes

AT_ONCE = 1 << 22  # probabilities of full labels in memory at a time, 8 bytes each
EDGE = 2.0**-20  # draws keep this distance from the ends of 1 / n
Floats = NDArray[np.float64]


def draw(
    labels: Labels, draws: int, seed: int, keep: int = 0, targets: Integers | None = None
) -> Drawn:
    """Keep some classes of each label, and draw from the others.

    Sampling is systematic: with one random number u per label, draw j takes the class at
    (j + u) / n of the cumulative distribution of the classes that are not kept. One that has a
    share p of it is drawn n p times on average, as if the draws were independent, but never more
    than 1 away from it.

    Args:
        labels: full or top-k labels of a batch. What a top-k label leaves out is drawn from evenly,
            with the probability that its tail gives it.
        draws: n, draws per label.
        seed: 0 and more; the draws depend on it and on the labels alone.
        keep: K, classes that each label keeps: its target, where the label gives that any
            probability, then the most probable ones.
        targets: (B,) class that each label is to keep, -1 for none; None for no label.
    """
    source = _source(labels, seed)
    offset = EDGE + (1 - 2 * EDGE) * source.random(len(labels))
    points = (np.arange(draws) + offset[:, None]) / draws
    if keep and labels.index is not None:
        labels = _widened(labels, keep, targets)
    kept, mass = np.zeros((2, len(labels), keep), np.int64)
    taken = np.empty(points.shape, np.int64)
    at_once = len(labels) if labels.index is not None else max(1, AT_ONCE // labels.classes)
    for first in range(0, len(labels), at_once):
        part = slice(first, first + at_once)
        own = labels.rows(np.arange(len(labels))[part])
        weights = _Weights.of(own)
        if keep:
            target = None if targets is None else targets[part]
            columns, mass[part] = weights.keep(own, keep, target)
            kept[part] = _classes_at(own, columns)
        taken[part] = weights.at(points[part])
    has_draws = np.flatnonzero(mass.sum(axis=1) < UNIT)
    taken = taken[has_draws]
    if labels.index is not None:
        taken = _named(labels.rows(has_draws), taken, source)
    keys = has_draws[:, None] * labels.classes + taken
    keys, counts = np.unique(keys, return_counts=True)
    return Drawn(kept, mass, keys // labels.classes, keys % labels.classes, counts)


def _source(labels: Labels, seed: int) -> np.random.Generator:
    """Random numbers that a batch's labels and the seed determine."""
    digest = hashlib.sha256(str(seed).encode())
    for array in (labels.value, labels.index, labels.floor):
        if array is not None:
            digest.update(np.ascontiguousarray(array).tobytes())
    key = np.frombuffer(digest.digest()[:16], "<u8")
    return np.random.Generator(np.random.Philox(key=key))


@dataclass(eq=False)
class _Weights:
    """Numbers in proportion to the probabilities of labels.

    Attributes:
        column: (B, w) of the classes; of top-k labels, the last is all that they leave out.
        classes: number of the columns that are single classes.
    """

    column: Floats
    classes: int

    @classmethod
    def of(cls, labels: Labels) -> _Weights:
        numbers = labels.value.astype(np.float64)
        if labels.space == "probabilities":
            weight = np.maximum(numbers, 0)
        else:
            weight = np.exp(numbers - numbers.max(axis=1, keepdims=True))
        if labels.index is None:
            return cls(weight, labels.classes)
        tail = _tail_weight(labels, weight)
        return cls(np.concatenate([weight, tail[:, None]], axis=1), weight.shape[1])

    def keep(
        self, labels: Labels, keep: int, targets: Integers | None
    ) -> tuple[Integers, Integers]:
        """(B, K) columns of the classes to keep, and their probability in 1 / 65536.

        Their weights become 0, so that they are not drawn.
        """
        single = self.column[:, : self.classes]
        total = self.column.sum(axis=1, keepdims=True)
        rank = single.copy()
        if targets is not None:
            rows, columns = _columns_of(labels, targets)
            positive = single[rows, columns] > 0
            rank[rows[positive], columns[positive]] = np.inf
        columns = _largest(rank, keep)
        share = np.take_along_axis(single, columns, axis=1) / total
        np.put_along_axis(self.column, columns, 0.0, axis=1)
        mass = np.where(share > 0, np.maximum(np.rint(share * UNIT), 1), 0).astype(np.int64)
        rest = UNIT - mass.sum(axis=1)
        nothing_else = self.column.sum(axis=1) == 0
        change = np.where((rest < 0) | nothing_else, rest, 0)
        mass[np.arange(len(mass)), mass.argmax(axis=1)] += change
        return columns, mass

    def at(self, points: Floats) -> Integers:
        """(B, n) columns at points 0..1 of each label's cumulative distribution."""
        taken = np.empty(points.shape, np.int64)
        cumulative = np.cumsum(self.column, axis=1)
        last = self.column.shape[1] - 1
        for row, (sums, at) in enumerate(zip(cumulative, points, strict=True)):
            taken[row] = np.minimum(np.searchsorted(sums, at * sums[-1], side="right"), last)
        return taken


def _largest(rank: Floats, count: int) -> Integers:
    """(B, count) columns of the largest numbers of each row; of equal ones the first."""
    least = np.partition(rank, -count, axis=1)[:, -count, None]
    rows, columns = np.nonzero(rank >= least)
    order = np.lexsort((columns, -rank[rows, columns], rows))
    first = np.searchsorted(rows, np.arange(len(rank)))
    largest: Integers = columns[order][first[:, None] + np.arange(count)]
    return largest


def _tail_weight(labels: Labels, weight: Floats) -> Floats:
    """(B,) weight of all classes that top-k labels leave out."""
    omitted = labels.classes - labels.value.shape[1]
    if labels.tail == "uniform" and omitted:
        left: Floats = np.maximum(1 - weight.sum(axis=1), 0)
        return left
    if labels.floor is not None and labels.space == "logits":
        largest = labels.value.astype(np.float64).max(axis=1)
        return np.asarray(omitted * np.exp(labels.floor.astype(np.float64) - largest))
    return np.zeros(len(weight))


def _widened(labels: Labels, keep: int, targets: Integers | None) -> Labels:
    """Top-k labels with `keep` columns at least, and with their targets.

    The new columns are classes that are left out, with the value that the tail gives them, so the
    distribution stays.
    """
    assert labels.index is not None
    k = labels.index.shape[1]
    width = min(max(k + (targets is not None), keep), labels.classes)
    if width == k:
        return labels
    new = np.zeros((len(labels), width - k), np.int64)
    missing = np.zeros(len(labels), bool)
    if targets is not None:
        missing = (targets >= 0) & (targets < labels.classes)
        missing &= (labels.index != targets[:, None]).all(axis=1)
        new[:, 0] = targets
    index = pad_classes(np.concatenate([labels.index, new], axis=1), k + missing)
    added = np.repeat(labels.left_out_value(), width - k, axis=1)
    return replace(labels, value=np.concatenate([labels.value, added], axis=1), index=index)


def _columns_of(labels: Labels, targets: Integers) -> tuple[Integers, Integers]:
    """Rows and columns of the labels' targets, where they have them."""
    if labels.index is not None:
        rows, columns = np.nonzero(labels.index == targets[:, None])
        return rows, columns
    rows = np.flatnonzero((targets >= 0) & (targets < labels.classes))
    return rows, targets[rows]


def _classes_at(labels: Labels, columns: Integers) -> Integers:
    """Classes of these columns of each label."""
    if labels.index is None:
        return columns
    return np.take_along_axis(labels.index, columns, axis=1)


def _named(labels: Labels, taken: Integers, source: np.random.Generator) -> Integers:
    """(B, n) classes of drawn columns of top-k labels.

    Draws from the tail are classes that are left out, evenly.
    """
    assert labels.index is not None
    k = labels.index.shape[1]
    in_tail = taken == k
    classes = _classes_at(labels, np.where(in_tail, 0, taken))
    if in_tail.any():
        rows = np.nonzero(in_tail)[0]
        nth = (source.random(len(rows)) * (labels.classes - k)).astype(np.int64)
        classes[in_tail] = _nth_omitted(np.sort(labels.index, axis=1)[rows], nth)
    return classes


def _nth_omitted(kept: Integers, nth: Integers) -> Integers:
    """(m,) class that is the n-th, from 0, of those not in the sorted rows of `kept`, (m, k)."""
    before = kept - np.arange(kept.shape[1])  # omitted classes below each kept one
    nth_omitted: Integers = nth + (before <= nth[:, None]).sum(axis=1)
    return nth_omitted

"""Systematic sampling of classes from label distributions."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels

AT_ONCE = 1 << 22  # probabilities of full labels in memory at a time, 8 bytes each
EDGE = 2.0**-20  # draws keep this distance from the ends of 1 / n


def drawn_counts(
    labels: Labels, draws: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """How often each class is drawn for each label.

    Sampling is systematic: with one random number u per label, draw j takes the class at
    (j + u) / n of the cumulative distribution. A class of probability p is drawn n p times on
    average, as if the draws were independent, but never more than 1 away from it.

    Args:
        labels: full or top-k labels of a batch. What a top-k label leaves out is drawn from evenly,
            with the probability that its tail gives it.
        draws: n, draws per label.
        seed: 0 and more; the draws depend on it and on the labels alone.

    Returns:
        Rows, classes and counts of the drawn classes, (m,) each; sorted by row, then class.
    """
    source = _source(labels, seed)
    offset = EDGE + (1 - 2 * EDGE) * source.random(len(labels))
    points = (np.arange(draws) + offset[:, None]) / draws
    if labels.index is None:
        taken = _full_draws(labels, points)
    else:
        taken = _top_k_draws(labels, points, source)
    rows = np.repeat(np.arange(len(labels)), draws)
    keys, counts = np.unique(rows * labels.classes + taken.ravel(), return_counts=True)
    return keys // labels.classes, keys % labels.classes, counts


def _source(labels: Labels, seed: int) -> np.random.Generator:
    """Random numbers that a batch's labels and the seed determine."""
    digest = hashlib.sha256(str(seed).encode())
    for array in (labels.value, labels.index, labels.floor):
        if array is not None:
            digest.update(np.ascontiguousarray(array).tobytes())
    key = np.frombuffer(digest.digest()[:16], "<u8")
    return np.random.Generator(np.random.Philox(key=key))


def _full_draws(labels: Labels, points: NDArray[np.float64]) -> NDArray[np.int64]:
    """(B, n) classes at these points of each label's cumulative distribution."""
    taken = np.empty(points.shape, np.int64)
    rows = max(1, AT_ONCE // labels.classes)
    for first in range(0, len(points), rows):
        weight = _weights(labels.value[first : first + rows], labels.space)
        _look_up(weight, points[first : first + rows], taken[first : first + rows])
    return taken


def _top_k_draws(
    labels: Labels, points: NDArray[np.float64], source: np.random.Generator
) -> NDArray[np.int64]:
    """(B, n) classes, those in the tail drawn evenly from the classes that are left out."""
    assert labels.index is not None
    value, omitted = labels.value, labels.classes - labels.index.shape[1]
    weight = _weights(value, labels.space)
    tail = np.zeros(len(weight))
    if labels.tail == "floor" and labels.floor is not None:
        largest = value.astype(np.float64).max(axis=1)
        if labels.space == "logits":
            tail = omitted * np.exp(labels.floor.astype(np.float64) - largest)
    elif labels.tail == "uniform":
        tail = np.maximum(1 - weight.sum(axis=1), 0) if omitted else tail
    slots = np.empty(points.shape, np.int64)
    _look_up(np.concatenate([weight, tail[:, None]], axis=1), points, slots)
    in_tail = slots == labels.index.shape[1]
    taken = np.take_along_axis(labels.index, np.where(in_tail, 0, slots), axis=1)
    if in_tail.any():
        rows = np.nonzero(in_tail)[0]
        nth = (source.random(len(rows)) * omitted).astype(np.int64)
        taken[in_tail] = _nth_omitted(np.sort(labels.index, axis=1)[rows], nth)
    return taken


def _nth_omitted(kept: NDArray[np.int64], nth: NDArray[np.int64]) -> NDArray[np.int64]:
    """(m,) class that is the n-th, from 0, of those not in the sorted rows of `kept`, (m, k)."""
    before = kept - np.arange(kept.shape[1])  # omitted classes below each kept one
    nth_omitted: NDArray[np.int64] = nth + (before <= nth[:, None]).sum(axis=1)
    return nth_omitted


def _weights(value: NDArray[np.floating], space: str) -> NDArray[np.float64]:
    """Probabilities, or for logits numbers in proportion to them."""
    numbers = value.astype(np.float64)
    if space == "probabilities":
        return np.maximum(numbers, 0)
    weights: NDArray[np.float64] = np.exp(numbers - numbers.max(axis=1, keepdims=True))
    return weights


def _look_up(
    weight: NDArray[np.float64], points: NDArray[np.float64], taken: NDArray[np.int64]
) -> None:
    """Write the column of `weight` that each point 0..1 of its cumulative distribution is in."""
    cumulative = np.cumsum(weight, axis=1)
    last = weight.shape[1] - 1
    for row, (sums, at) in enumerate(zip(cumulative, points, strict=True)):
        taken[row] = np.minimum(np.searchsorted(sums, at * sums[-1], side="right"), last)

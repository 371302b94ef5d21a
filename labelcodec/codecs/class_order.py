"""A class order in which correlated classes are neighbours (SPEC, section 8.1).

The order is that of the leaves of a clustering tree: average linkage, by the correlation of the
classes' labels, with branches flipped so that neighbours match. More than `LARGE` classes are first
halved along their main direction until each part is small, which takes near-linear time. Only the
result is stored, so the method may change at any time. Inner products come from a random projection
of the labels, which bounds the memory for any number of labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import packing
from labelcodec.errors import CorruptError

SKETCH_CELLS = 1 << 18  # projected dimensions times classes
END = 4  # leaves at an end that decide which way a merge is turned
LARGE = 4096  # classes beyond which they are halved first
PART = 512  # classes of a part that is not halved
DIMENSIONS = 64  # of the projection of sets
POWER_STEPS = 8  # of the iteration that finds a main direction


def fit(features: Iterable[NDArray[np.float32]], classes: int) -> NDArray[np.int64]:
    """(C,) class at each position.

    Args:
        features: batches of (B, C) float32, one row per label.
        classes: C.
    """
    dimensions = int(np.clip(SKETCH_CELLS // classes, 32, 512))
    signs = np.random.default_rng(0)
    sketch = np.zeros((dimensions, classes), np.float32)
    total, rows = np.zeros(classes), 0
    ones = np.zeros(dimensions)
    for batch in features:
        projection = signs.choice(np.array([-1, 1], np.float32), (dimensions, len(batch)))
        sketch += projection @ batch
        total += batch.sum(axis=0, dtype=float)
        ones += projection.sum(axis=1)
        rows += len(batch)
    if rows < 2 or classes < 3:
        return np.arange(classes)
    vectors = (sketch - np.outer(ones, total / rows)).T.astype(np.float32)
    return np.array(_ordered(_unit(vectors), np.arange(classes)))


def fit_sets(sets: Iterable[NDArray[np.int64]], classes: int) -> NDArray[np.int64]:
    """(C,) class at each position, by which classes are kept together.

    Args:
        sets: batches of (B, k) kept classes.
        classes: C.
    """
    return fit_lists(((_rows(index), index.ravel()) for index in sets), classes)


def fit_lists(
    lists: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]], classes: int
) -> NDArray[np.int64]:
    """As `fit_sets`, of labels that keep different numbers of classes.

    Up to `LARGE` classes are ordered as by `fit`, of features that are 1 where a class is kept.
    Beyond, time and memory grow with the kept classes: those in no label follow the others.

    Args:
        lists: batches of (m,) labels, counted from 0 and ascending, and (m,) their kept classes.
        classes: C.
    """
    if classes <= LARGE:
        return fit((_membership(*batch, classes) for batch in lists), classes)
    rows, batches = 0, []
    for label, own in lists:
        batches.append((label + rows, own))
        rows += int(label[-1]) + 1 if len(label) else 0
    batches.append((np.zeros(0, np.int64),) * 2)  # so that there is one
    label, flat = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    counts = np.bincount(flat, minlength=classes)
    used = np.flatnonzero(counts)
    if rows < 2 or len(used) < 3:
        return np.arange(classes)
    drawn = np.random.default_rng(0).integers(0, 2, (rows, DIMENSIONS), np.int8)
    projection = (2 * drawn - 1).astype(np.float32)
    by_class = np.argsort(flat, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts[used])[:-1]])
    sketch = np.stack(
        [np.add.reduceat(column[label[by_class]], starts) for column in projection.T], axis=1
    )
    share = (counts[used] / rows).astype(np.float32)
    vectors = sketch - np.outer(share, projection.sum(axis=0))
    ordered = _ordered(_unit(vectors), used)
    return np.concatenate([ordered, np.flatnonzero(counts == 0)])


def _rows(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """(B k,) label of each kept class."""
    return np.repeat(np.arange(len(index)), index.shape[1])


def _membership(
    label: NDArray[np.int64], kept: NDArray[np.int64], classes: int
) -> NDArray[np.float32]:
    """(B, C) float32: 1 for kept classes, else 0."""
    member = np.zeros((int(label[-1]) + 1 if len(label) else 0, classes), np.float32)
    member[label, kept] = 1
    return member


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors, scaled to unit length."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(norms, 1e-12))


def _ordered(vectors: NDArray[np.float32], names: NDArray[np.int64]) -> list[int]:
    """The names in the order of their vectors' tree; more than `LARGE` are halved first."""
    parts = [np.arange(len(vectors))]
    if len(vectors) > LARGE:
        parts = _halved(vectors, parts[0])
    leaves: list[int] = []
    for part in parts:
        own = part[_leaves(vectors[part])].tolist() if len(part) > 1 else part.tolist()
        leaves = _turned(leaves, own, vectors, keep_left=True) if leaves else own
    ordered: list[int] = names[leaves].tolist()
    return ordered


def _halved(vectors: NDArray[np.float32], members: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Parts of at most `PART` members, halved at the median along their main direction."""
    if len(members) <= PART:
        return [members]
    own = vectors[members]
    own = own - own.mean(axis=0)
    direction = own[np.argmax(np.square(own).sum(axis=1))]
    for _ in range(POWER_STEPS):
        direction = own.T @ (own @ direction)
        direction /= max(float(np.linalg.norm(direction)), 1e-12)
    along = members[np.argsort(own @ direction, kind="stable")]
    middle = len(along) // 2
    return _halved(vectors, along[:middle]) + _halved(vectors, along[middle:])


def _leaves(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Leaf order of average linkage by the nearest-neighbour chain.

    The mean inner product between two clusters is the inner product of their mean vectors, so
    no similarity matrix is needed.
    """
    mean, size = vectors.copy(), np.ones(len(vectors), np.float32)
    gone = np.zeros(len(vectors), np.float32)
    leaves: list[list[int]] = [[i] for i in range(len(vectors))]
    chain: list[int] = []
    for _ in range(len(vectors) - 1):
        if not chain:
            chain = [int(np.argmin(gone < 0))]
        while True:
            similar = mean @ mean[chain[-1]] + gone
            similar[chain[-1]] = -np.inf
            if len(chain) > 1:
                similar[chain[-2]] += 1e-6  # a tie goes back, so that the chain ends
            nearest = int(similar.argmax())
            if len(chain) > 1 and nearest == chain[-2]:
                break
            chain.append(nearest)
        a, b = chain.pop(), chain.pop()
        leaves[a] = _turned(leaves[a], leaves[b], vectors)
        leaves[b] = []
        mean[a] = (mean[a] * size[a] + mean[b] * size[b]) / (size[a] + size[b])
        size[a] += size[b]
        gone[b] = -np.inf
    return np.array(leaves[a])


def _turned(
    a: list[int], b: list[int], vectors: NDArray[np.float32], keep_left: bool = False
) -> list[int]:
    """Both lists joined at the ends that are most alike; with `keep_left` `a` is not turned."""

    def fit(pair: tuple[list[int], list[int]]) -> float:
        left, right = pair
        return float(vectors[left[-END:]].sum(axis=0) @ vectors[right[:END]].sum(axis=0))

    turned = [(a, b), (a, b[::-1])]
    if not keep_left:
        turned += [(a[::-1], b), (a[::-1], b[::-1])]
    left, right = max(turned, key=fit)
    return left + right


def to_bytes(order: NDArray[np.int64]) -> bytes:
    """Empty for the identity, else the order as packed integers."""
    return b"" if np.array_equal(order, np.arange(len(order))) else packing.pack_ints(order)


def from_bytes(data: bytes, classes: int) -> NDArray[np.int64]:
    """Inverse of `to_bytes`.

    Raises:
        CorruptError: not a permutation of the classes.
    """
    if not data:
        return np.arange(classes)
    order, rest = packing.unpack_ints(memoryview(data), classes)
    if len(rest) or not np.array_equal(np.sort(order), np.arange(classes)):
        raise CorruptError(f"the class order is not a permutation of 0..{classes - 1}")
    return order


def inverse(order: NDArray[Any]) -> NDArray[np.int64]:
    """Position of each class."""
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return places

"""A class order in which correlated classes are neighbours (SPEC, section 8.1).

The order is that of the leaves of a clustering tree: average linkage, by the correlation of the
classes' labels, with branches flipped so that neighbours match. Up to `EXACT` classes all
correlations are computed; beyond, a random projection of the labels gives them nearly. More than
`LARGE` classes are first halved along their main direction until each part is small, which takes
near-linear time. Only the result is stored, so the method may change at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import packing, varint
from labelcodec.errors import CorruptError

EXACT = 2048  # classes up to which correlations are computed exactly
SKETCH_CELLS = 1 << 18  # projected dimensions times classes
END = 4  # leaves at an end that decide which way a merge is turned
LARGE = 4096  # classes beyond which they are halved first
PART = 512  # classes of a part that is not halved
DIMENSIONS = 64  # of the projection of sets
POWER_STEPS = 8  # of the iteration that finds a main direction
SHORT = 1  # first byte of an order in part; that of packed integers from 0 on is 0
Alike = Callable[[list[int], list[int]], float]  # how alike two ends of leaves are


def fit(features: Iterable[NDArray[np.float32]], classes: int) -> NDArray[np.int64]:
    """(C,) class at each position.

    Args:
        features: batches of (B, C) float32, one row per label.
        classes: C.
    """
    correlation = (_correlation if classes <= EXACT else _sketched)(features, classes)
    if correlation is None or classes < 3:
        return np.arange(classes)
    return np.array(_leaves(correlation))


def _correlation(
    features: Iterable[NDArray[np.float32]], classes: int
) -> NDArray[np.float32] | None:
    """(C, C) correlation of the classes; None of fewer than two labels."""
    products = np.zeros((classes, classes), np.float32)
    total, rows = np.zeros(classes), 0
    origin = np.zeros(classes, np.float32)
    for batch in features:
        if not rows and len(batch):
            origin = batch.mean(axis=0)  # near the mean of all, so that sums of squares are precise
        centred = batch - origin
        products += centred.T @ centred
        total += centred.sum(axis=0, dtype=float)
        rows += len(batch)
    if rows < 2:
        return None
    products -= np.outer(total, total / rows).astype(np.float32)
    scale = (1 / np.sqrt(np.maximum(products.diagonal(), 1e-12))).astype(np.float32)
    correlation: NDArray[np.float32] = products * scale * scale[:, None]
    return correlation


def _sketched(features: Iterable[NDArray[np.float32]], classes: int) -> NDArray[np.float32] | None:
    """As `_correlation`, about that, by a random projection of the labels."""
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
    if rows < 2:
        return None
    vectors = _unit((sketch - np.outer(ones, total / rows)).T.astype(np.float32))
    return vectors @ vectors.T


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

    def alike(left: list[int], right: list[int]) -> float:
        return float(vectors[left].sum(axis=0) @ vectors[right].sum(axis=0))

    leaves: list[int] = []
    for part in parts:
        own = part[_leaves(vectors[part] @ vectors[part].T)].tolist()
        leaves = _turned(leaves, own, alike, keep_left=True) if leaves else own
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


def _leaves(correlation: NDArray[np.float32]) -> list[int]:
    """Leaf order of average linkage by the nearest-neighbour chain.

    Args:
        correlation: (n, n) similarities, one class or more.
    """
    similar = correlation.copy()
    np.fill_diagonal(similar, -np.inf)
    size = np.ones(len(similar), np.float32)
    leaves: list[list[int]] = [[i] for i in range(len(similar))]

    def alike(left: list[int], right: list[int]) -> float:
        return float(correlation[np.ix_(left, right)].sum())

    chain: list[int] = []
    for _ in range(len(similar) - 1):
        if not chain:
            chain = [next(i for i, own in enumerate(leaves) if own)]
        while True:
            row = similar[chain[-1]]
            nearest = int(row.argmax())
            if len(chain) > 1 and row[chain[-2]] >= row[nearest] - 1e-6:
                break  # a tie goes back, so that the chain ends
            chain.append(nearest)
        a, b = chain.pop(), chain.pop()
        leaves[a], leaves[b] = _turned(leaves[a], leaves[b], alike), []
        merged = (similar[a] * size[a] + similar[b] * size[b]) / (size[a] + size[b])
        merged[[a, b]] = -np.inf
        similar[a] = similar[:, a] = merged
        similar[b] = similar[:, b] = -np.inf
        size[a] += size[b]
    return next(own for own in leaves if own)


def _turned(a: list[int], b: list[int], alike: Alike, keep_left: bool = False) -> list[int]:
    """Both lists joined at the ends that are most alike; with `keep_left` `a` is not turned."""
    turned = [(a, b), (a, b[::-1])]
    if not keep_left:
        turned += [(a[::-1], b), (a[::-1], b[::-1])]
    left, right = max(turned, key=lambda pair: alike(pair[0][-END:], pair[1][:END]))
    return left + right


def to_bytes(order: NDArray[np.int64]) -> bytes:
    """Empty for the identity, else the order as packed integers (SPEC, T-1).

    Of many classes only those are listed that stand before the rest, which rises: in few labels
    most classes of a vocabulary do not occur.
    """
    falls = np.flatnonzero(np.diff(order) < 0)
    if not len(falls):
        return b""
    listed = int(falls[-1]) + 1
    if len(order) <= LARGE or listed > len(order) // 2:
        return packing.pack_ints(order)
    return bytes([SHORT]) + varint.encode(listed) + packing.pack_ints(order[:listed])


def from_bytes(data: bytes, classes: int) -> NDArray[np.int64]:
    """Inverse of `to_bytes`.

    Raises:
        CorruptError: not a permutation of the classes.
    """
    if not data:
        return np.arange(classes)
    if data[0] == SHORT:
        order, rest = _listed_first(memoryview(data), classes)
    else:
        order, rest = packing.unpack_ints(memoryview(data), classes)
    if len(rest) or not np.array_equal(np.sort(order), np.arange(classes)):
        raise CorruptError(f"the class order is not a permutation of 0..{classes - 1}")
    return order


def _listed_first(data: memoryview, classes: int) -> tuple[NDArray[np.int64], memoryview]:
    """An order that begins with listed classes, and what follows it."""
    count, position = varint.decode(data, 1)
    if not 0 < count <= classes:
        raise CorruptError(f"the class order lists {count} of {classes} classes")
    listed, rest = packing.unpack_ints(data[position:], count)
    others = np.setdiff1d(np.arange(classes), listed, assume_unique=True)
    return np.concatenate([listed, others]), rest


def inverse(order: NDArray[Any]) -> NDArray[np.int64]:
    """Position of each class."""
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return places

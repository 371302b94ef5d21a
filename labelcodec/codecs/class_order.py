"""A class order in which correlated classes are neighbours (SPEC, section 8.1).

The order is that of the leaves of a clustering tree: average linkage, by the correlation of the
classes' labels, with branches flipped so that neighbours match. Only the result is stored, so the
method may change at any time. Inner products come from a random projection of the labels, which
bounds the memory for any number of labels.
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
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return _leaves(np.ascontiguousarray(vectors / np.maximum(norms, 1e-12)))


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


def _turned(a: list[int], b: list[int], vectors: NDArray[np.float32]) -> list[int]:
    """Both lists joined at the ends that are most alike."""

    def fit(pair: tuple[list[int], list[int]]) -> float:
        left, right = pair
        return float(vectors[left[-END:]].sum(axis=0) @ vectors[right[:END]].sum(axis=0))

    left, right = max(((a, b), (a, b[::-1]), (a[::-1], b), (a[::-1], b[::-1])), key=fit)
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

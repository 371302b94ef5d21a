"""Top-k labels as integers: class set, permutation and descending values (SPEC, section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.topk.format import MAX_K
from labelcodec.entropy import tokens
from labelcodec.entropy.backend import implementation
from labelcodec.entropy.format import MAX_INTEGER

kernels = partial(implementation, "labelcodec.codecs.topk")

TIES_PAY = 8  # ties of exact values are left out if at least one neighbour in eight is tied


@dataclass(frozen=True, eq=False)
class Ranking:
    """The labels of a batch as integers to be coded.

    Attributes:
        gaps: (k, B) int64 gaps between the sorted positions of the kept classes.
        contexts: (k, B) uint16 contexts of the gaps.
        ranks: (B, k) int16 rank of each member of the set, members in order of position.
        levels: (B, k) int64 values as descending integers; equal levels need no permutation.
        ties_by_class: whether equal values are ordered by class and coded as such.
        values: (k, B) int64 first values and falls between values; None if all values are equal.
    """

    gaps: NDArray[np.int64]
    contexts: NDArray[np.uint16]
    ranks: NDArray[np.int16]
    levels: NDArray[np.int64]
    ties_by_class: bool
    values: NDArray[np.int64] | None

    @property
    def coded_levels(self) -> NDArray[np.int64]:
        """(B, k) levels that the permutation is coded for; all distinct if ties carry an order."""
        return self.levels if self.ties_by_class else distinct(self.levels.shape)

    @property
    def value_contexts(self) -> NDArray[np.uint16]:
        """(k * B,) contexts of `values`, flattened."""
        return np.repeat(rank_contexts(len(self.gaps)), self.gaps.shape[1])


def rank(
    position: NDArray[np.int64], index: NDArray[np.int64], levels: NDArray[np.int64], signed: bool
) -> Ranking | None:
    """Convert the labels of a batch to integers.

    Args:
        position: (C,) position of each class in the class order.
        index: (B, k) int64 classes by rank.
        levels: (B, k) int64 values as order-preserving integers.
        signed: whether levels can be negative.

    Returns:
        The integers; None if only the uncompressed form can hold the labels.
    """
    rows, k = index.shape
    limit = MAX_INTEGER // 2 if signed else MAX_INTEGER
    if k > MAX_K:
        return None
    gaps, contexts, ranks, values, facts = kernels().rank_labels(position, index, levels, signed)
    if facts.repeated or facts.rising or facts.largest >= limit:
        return None
    pays = facts.tied * TIES_PAY > rows * (k - 1)  # ties save a few bits but decode slowly
    by_class = facts.by_class and (signed or pays)
    return Ranking(gaps, contexts, ranks, levels, by_class, None if facts.constant else values)


@lru_cache(maxsize=2)  # the shape of full batches and that of the last one
def distinct(shape: tuple[int, int]) -> NDArray[np.int64]:
    """(B, k) descending levels, no two of them equal in a row."""
    return np.ascontiguousarray(np.broadcast_to(-np.arange(shape[1]), shape))


@lru_cache(maxsize=2)
def rank_contexts(k: int) -> NDArray[np.uint16]:
    """(k,) context of the first value, which is 0, and of the fall to each later rank."""
    return np.concatenate([[0], 1 + tokens.bucket(np.arange(1, k))]).astype(np.uint16)

"""Top-k labels as symbols: class set, permutation and descending values (SPEC, section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.topk.contexts import gap_contexts
from labelcodec.codecs.topk.format import FIRST_GAP, MAX_K
from labelcodec.entropy import coding, tokens
from labelcodec.entropy.coding import Symbols
from labelcodec.entropy.format import MAX_INTEGER

TIES_PAY = 8  # ties of exact values are left out if at least one neighbour in eight is tied


@dataclass(frozen=True, eq=False)
class Ranking:
    """The labels of a batch as symbols.

    Attributes:
        members: gaps between the sorted positions of the kept classes.
        ranks: (B, k) int64 rank of each member of the set, members in order of position.
        levels: (B, k) int64 values as descending integers; equal levels need no permutation.
        ties_by_class: whether equal values are ordered by class and coded as such.
        gaps: first values and gaps between values; None if all values are equal.
    """

    members: Symbols
    ranks: NDArray[np.int64]
    levels: NDArray[np.int64]
    ties_by_class: bool
    gaps: Symbols | None

    @property
    def coded_levels(self) -> NDArray[np.int64]:
        """(B, k) levels that the permutation is coded for; all distinct if ties carry an order."""
        return self.levels if self.ties_by_class else distinct(self.levels.shape)


def rank(
    position: NDArray[np.int64], index: NDArray[np.int64], levels: NDArray[np.int64], signed: bool
) -> Ranking | None:
    """Convert the labels of a batch to symbols.

    Args:
        position: (C,) position of each class in the class order.
        index: (B, k) int64 classes by rank.
        levels: (B, k) int64 values as order-preserving integers.
        signed: whether levels can be negative.

    Returns:
        The symbols; None if only the uncompressed form can hold the labels.
    """
    k = index.shape[1]
    positions = position[index]
    ranks = np.argsort(positions, axis=1)
    gaps = np.diff(np.take_along_axis(positions, ranks, axis=1), axis=1, prepend=-1).T - 1
    falls = levels[:, :-1] - levels[:, 1:]
    repeated, rising = bool((gaps < 0).any()), bool((falls < 0).any())
    limit = MAX_INTEGER // 2 if signed else MAX_INTEGER
    if k > MAX_K or repeated or rising or int(np.abs(levels).max()) >= limit:
        return None
    tied = falls == 0
    by_class = bool((~tied | (index[:, 1:] > index[:, :-1])).all())
    pays = int(tied.sum()) * TIES_PAY > tied.size  # ties save a few bits but decode slowly
    same = bool((levels == levels[0, 0]).all())
    first = levels[:, :1]
    if signed:
        first = np.where(first >= 0, 2 * first, -2 * first - 1)
    value = np.concatenate([first, falls], axis=1).T
    return Ranking(
        coding.tokenise(gaps, _set_contexts(gaps)),
        ranks,
        levels,
        by_class and (signed or pays),
        None if same else coding.tokenise(value, value_contexts(k, len(index))),
    )


def _set_contexts(gaps: NDArray[np.int64]) -> NDArray[np.int64]:
    """(k, B) context of each gap, from the two preceding ones."""
    contexts = np.full(gaps.shape, FIRST_GAP)
    before = np.concatenate([gaps[:1], gaps[:-2]])[: len(gaps) - 1]
    contexts[1:] = gap_contexts(gaps[:-1], before)
    return contexts


@lru_cache(maxsize=2)  # the shape of full batches and that of the last one
def distinct(shape: tuple[int, int]) -> NDArray[np.int64]:
    """(B, k) descending levels, no two of them equal in a row."""
    return np.ascontiguousarray(np.broadcast_to(-np.arange(shape[1]), shape))


@lru_cache(maxsize=2)
def value_contexts(k: int, rows: int) -> NDArray[np.int64]:
    """(k, B) context of the first value, which is 0, and of the gap at each later rank."""
    contexts = np.concatenate([[0], 1 + tokens.bucket(np.arange(1, k))])
    return np.repeat(contexts, rows).reshape(k, rows)


def levels_of(value: NDArray[np.int64], signed: bool) -> NDArray[np.int64]:
    """(B, k) levels from (k, B) first values and gaps; modifies its argument."""
    if signed:
        value[0] = (value[0] >> 1) ^ -(value[0] & 1)
    np.negative(value[1:], out=value[1:])
    return np.ascontiguousarray(np.cumsum(value, axis=0).T)

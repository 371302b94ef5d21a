"""Top-k labels as symbols: a set of classes, an arrangement of it, falling values (SPEC 8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import coding, tokens
from labelcodec.entropy.coding import Symbols
from labelcodec.entropy.plain import gap_contexts

FIRST_GAP = 16  # context of a row's first gap
SET_CONTEXTS = 17
VALUE_CONTEXTS = 33
TIES_PAY = 8  # neighbours per tie up to which exact ties are worth leaving out
MAX_K = 4096  # arrangements are coded in 4096ths


@dataclass(frozen=True, eq=False)
class Ranking:
    """A batch's labels as symbols.

    Attributes:
        members: gaps between the sorted positions of the kept classes.
        ranks: (B, k) rank of each member, members in order of position.
        levels: (B, k) values as falling integers; equal ones need no arrangement.
        ties_by_class: whether equal values stand in order of class and are coded as such.
        gaps: first value and gaps; None where all values are the same.
    """

    members: Symbols
    ranks: NDArray[np.int64]
    levels: NDArray[np.int64]
    ties_by_class: bool
    gaps: Symbols | None

    @property
    def arrangement(self) -> NDArray[np.int64]:
        """What `order_intervals` takes for levels: distinct ones where ties carry an order."""
        return self.levels if self.ties_by_class else distinct(self.levels.shape)


def rank(
    position: NDArray[np.int64], index: NDArray[np.int64], levels: NDArray[np.int64], signed: bool
) -> Ranking | None:
    """Symbols of a batch; None for what only the plain form can hold.

    Args:
        position: (C,) position of each class in the class order.
        index: (B, k) classes by rank.
        levels: (B, k) values as integers in their own order.
        signed: whether levels can be negative.
    """
    k = index.shape[1]
    places = position[index]
    ranks = np.argsort(places, axis=1)
    gaps = np.diff(np.take_along_axis(places, ranks, axis=1), axis=1, prepend=-1).T - 1
    falls = levels[:, :-1] - levels[:, 1:]
    repeated, rising = bool((gaps < 0).any()), bool((falls < 0).any())
    limit = tokens.LIMIT // 2 if signed else tokens.LIMIT
    if k > MAX_K or repeated or rising or int(np.abs(levels).max()) >= limit:
        return None
    tied = falls == 0
    by_class = bool((~tied | (index[:, 1:] > index[:, :-1])).all())
    pays = int(tied.sum()) * TIES_PAY > tied.size  # a tie saves a few bits but decodes slowly
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
    """(k, B) context of each gap, from the two before it."""
    contexts = np.full(gaps.shape, FIRST_GAP)
    before = np.concatenate([gaps[:1], gaps[:-2]])[: len(gaps) - 1]
    contexts[1:] = gap_contexts(gaps[:-1], before)
    return contexts


@lru_cache(maxsize=2)  # the whole batches' shape and the last one's
def distinct(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Levels of which no two in a row are equal."""
    return np.ascontiguousarray(np.broadcast_to(-np.arange(shape[1]), shape))


@lru_cache(maxsize=2)
def value_contexts(k: int, rows: int) -> NDArray[np.int64]:
    """(k, B) context of the first value (0) and of the gap at each rank."""
    contexts = np.concatenate([[0], 1 + tokens.bucket(np.arange(1, k))])
    return np.repeat(contexts, rows).reshape(k, rows)


def levels_of(value: NDArray[np.int64], signed: bool) -> NDArray[np.int64]:
    """(B, k) levels from (k, B) first values and falls; changes its argument."""
    if signed:
        value[0] = (value[0] >> 1) ^ -(value[0] & 1)
    np.negative(value[1:], out=value[1:])
    return np.ascontiguousarray(np.cumsum(value, axis=0).T)

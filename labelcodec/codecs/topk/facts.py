"""What ranking a batch shows about its labels; it decides which form of the streams holds them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RankingFacts:
    """Facts about the classes and levels of a batch.

    Attributes:
        repeated: whether a class occurs twice in a label.
        rising: whether a level is above the one before it.
        by_class: whether classes ascend wherever levels are equal.
        constant: whether all levels are equal.
        tied: number of levels that equal the one before them.
        largest: largest magnitude of a level.
    """

    repeated: bool
    rising: bool
    by_class: bool
    constant: bool
    tied: int
    largest: int

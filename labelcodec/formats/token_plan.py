"""Division of the token sequences of a source into batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import MAX_SAMPLES

POSITIONS = 4096  # of a batch of whole sequences
MAX_KEPT = 1 << 21  # values of a batch of top-k labels
MAX_FULL = 1 << 23  # values of a batch of full labels


@dataclass(frozen=True)
class Part:
    """The part of a sequence that a batch holds.

    Attributes:
        number: number of the sequence.
        start: its first position in the batch, counted in the sequence.
        stop: position behind the last.
    """

    number: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class TokenPlan:
    """Positions of all sequences, one sequence after another, cut into batches.

    Attributes:
        end: (S,) int64 position behind the last of each sequence.
        cut: (n + 1,) int64 first position of each batch, and the number of positions.
    """

    end: NDArray[np.int64]
    cut: NDArray[np.int64]

    def __len__(self) -> int:
        """n, the number of batches."""
        return len(self.cut) - 1

    @property
    def positions(self) -> int:
        """N, the number of positions."""
        return int(self.cut[-1])

    def span(self, i: int) -> tuple[int, int]:
        """First position of batch i, and the one behind its last."""
        return int(self.cut[i]), int(self.cut[i + 1])

    def whole(self, number: int) -> tuple[int, int]:
        """First position of a sequence, and the one behind its last."""
        return int(self.end[number - 1]) if number else 0, int(self.end[number])

    def parts(self, i: int) -> list[Part]:
        """The sequences of batch i."""
        first, stop = self.span(i)
        numbers = range(
            int(np.searchsorted(self.end, first, "right")),
            int(np.searchsorted(self.end, stop, "left")) + 1,
        )
        spans = [(number, *self.whole(number)) for number in numbers]
        return [
            Part(number, max(first, begin) - begin, min(stop, end) - begin)
            for number, begin, end in spans
        ]

    def place(self, position: int) -> tuple[int, int]:
        """Number of the sequence of a position, and the position in it."""
        number = int(np.searchsorted(self.end, position, "right"))
        return number, position - self.whole(number)[0]


def plan_batches(
    lengths: Sequence[int] | NDArray[np.int64], classes: int, k: int | None
) -> TokenPlan:
    """Cut sequences into batches of about 4096 positions.

    A sequence stays whole where the limits of a batch allow it; a longer one is spread.

    Args:
        lengths: positions of each of S sequences, 1 and more.
        classes: C.
        k: number of kept classes; None for full labels.
    """
    most = MAX_FULL // classes if k is None else MAX_KEPT // k
    most = max(1, min(most, MAX_SAMPLES))
    usual = min(POSITIONS, most)
    end = np.cumsum(np.asarray(lengths, np.int64))
    cut, position, total = [0], 0, int(end[-1])
    while position < total:
        fitting = int(np.searchsorted(end, position + usual, "right"))
        stop = int(end[fitting - 1]) if fitting else 0
        if stop <= position:  # the next sequence is longer than usual
            stop = min(int(end[fitting]), position + most)
        cut.append(stop)
        position = stop
    return TokenPlan(end, np.array(cut, np.int64))

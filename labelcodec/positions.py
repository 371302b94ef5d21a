"""Positions of batches that know which ones come after them, for reading ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

_SENT = 1024  # coming positions that are sent to another process


class Position(int):
    """Position of a batch in a label set, as a plain int with the positions that follow it.

    A sampler that yields these lets a reader of a file elsewhere fetch the coming batches before
    they are needed, also in worker processes: it is pickled with what follows.
    """

    _order: Sequence[int]
    _at: int
    _step: int

    def __new__(cls, order: Sequence[int], at: int, step: int = 1) -> Position:
        """The position order[at]; those at + step, at + 2 step, ... follow."""
        made = super().__new__(cls, order[at])
        made._order, made._at, made._step = order, at, step
        return made

    def coming(self) -> Iterator[int]:
        """The positions that follow, in order."""
        return islice(self._order, self._at + self._step, None, self._step)

    def shared(self, workers: int) -> Position:
        """The same position in a worker that gets every `workers`-th one."""
        return Position(self._order, self._at, self._step * workers)

    def __reduce__(self) -> tuple[type[Position], tuple[list[int], int, int]]:
        stop = self._at + 1 + _SENT * self._step
        return Position, (list(self._order[self._at : stop]), 0, self._step)


def in_order(positions: Sequence[int]) -> Iterator[Position]:
    """These positions, each with those that follow."""
    return (Position(positions, at) for at in range(len(positions)))

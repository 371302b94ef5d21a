"""Sampling order of recorded batches, with resumable state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from labelcodec.errors import ConfigError, MismatchError
from labelcodec.mapdiff import difference
from labelcodec.positions import in_order
from labelcodec.wording import counted

T = TypeVar("T")
_OF_ORDER = (
    "of this order. Use DataLoader(dataset, batch_size=None, sampler=order) as it is: with "
    "in_order=True, and without a library that replaces its sampler or shares its batches out"
)


class BatchOrder(Sampler[int]):
    """`DataLoader` sampler that yields positions of recorded batches, one epoch per pass.

    Args:
        batches: number of recorded batches.
        per_epoch: batches per epoch, over all ranks; default: all recorded batches. Not with order
            'epoch'.
        order: 'pool' samples each epoch's batches at random without replacement (LPQLD's pool of
            batches) and reshuffles the pool when an epoch needs more batches than it holds;
            'recorded' takes batches in recorded order, and each epoch continues where the
            previous one ended; 'epoch' replays one stored epoch in recorded order, as many batches
            as are stored of it (epoch-level pruning, as SRe2L and CDA prune). Stored epochs are
            chosen at random, none again before all others.
        seed: random seed, 0 or more; an epoch's sample depends only on the seed and the epoch.
        rank: rank of this process, 0..world - 1; each rank takes every world-th batch.
        world: number of processes; batches left over after an even split are dropped from the
            epoch.
        epochs: (batches,) stored epoch of each batch, such as `dataset.reader.index.epoch`; for
            order 'epoch' alone.

    Raises:
        ConfigError: no batches, fewer batches per epoch than processes, or an argument out of
            range.

    Example:
        >>> order = BatchOrder(len(dataset), seed=1)
        >>> loader = DataLoader(dataset, batch_size=None, sampler=order, num_workers=2)
        >>> for epoch in range(order.epoch, 10):
        ...     order.set_epoch(epoch)
        ...     for batch in order.counted(loader): ...
    """

    def __init__(
        self,
        batches: int,
        *,
        per_epoch: int | None = None,
        order: Literal["pool", "recorded", "epoch"] = "pool",
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        epochs: Sequence[int] | NDArray[np.int64] | None = None,
    ) -> None:
        self.batches, self.order, self.seed = batches, order, seed
        self.rank, self.world = rank, world
        orders = ("pool", "recorded", "epoch")
        if batches < 1 or not 0 <= rank < world or order not in orders:
            raise ConfigError(
                f"no {order!r} order of {counted(batches, 'batch')} for rank {rank} of {world}"
            )
        if seed < 0:
            raise ConfigError(f"seed {seed} of an order, allowed are 0 and more")
        self.per_epoch = batches if per_epoch is None else per_epoch
        self._stored: list[NDArray[np.int64]] = []  # positions of each stored epoch
        if order == "epoch":
            if per_epoch is not None or epochs is None or len(epochs) != batches:
                raise ConfigError(
                    f"order 'epoch' needs the stored epochs of the {counted(batches, 'batch')} as "
                    "`epochs`, and no `per_epoch`"
                )
            self._stored = _positions_by_epoch(np.asarray(epochs))
            self.per_epoch = min(map(len, self._stored))
        if self.per_epoch < world:
            raise ConfigError(
                f"{counted(self.per_epoch, 'batch')} per epoch for {counted(world, 'process')}"
            )
        self.epoch = self._first = 0
        self._done: int | None = 0

    def __len__(self) -> int:
        """Batches in this rank's next pass: a full epoch, or the rest of a resumed one."""
        return (self._count(self.epoch) - self._first) // self.world

    def batches_in(self, epoch: int) -> int:
        """Number of batches that this rank has in an epoch, counted from 0."""
        return self._count(epoch) // self.world

    def set_epoch(self, epoch: int) -> None:
        """Move to the start of an epoch; a resumed epoch keeps its position."""
        if epoch != self.epoch:
            self.epoch, self._first, self._done = epoch, 0, 0

    def __iter__(self) -> Iterator[int]:
        """Positions of the epoch, or the rest of a resumed one."""
        self._done = None
        return self._remaining()

    def _remaining(self) -> Iterator[int]:
        positions = self._own_positions()
        yield from in_order(positions)
        self._first = 0

    def _own_positions(self) -> list[int]:
        """Positions of this rank's next pass."""
        rest = self._epoch_positions()[self._first :]
        positions: list[int] = rest[self.rank :: self.world][: len(self)].tolist()
        return positions

    def counted(self, loader: Iterable[T]) -> Iterator[T]:
        """Iterate over a loader that uses this order, and check and count its batches.

        The sampler alone cannot count: workers prefetch batches that have not been trained on.
        Batches of a `ReplayDataset` know their position, so that a loader without this order, or
        one that does not keep it, is noticed at the first wrong batch.

        Raises:
            ConfigError: the loader yields other batches than those of this order, in another
                order, or more or fewer of them.
        """
        if isinstance(loader, DataLoader) and loader.sampler is not self:
            raise ConfigError(f"the loader has another sampler and not the batches {_OF_ORDER}")
        first, due = self._first, self._own_positions()
        done = 0
        for done, batch in enumerate(loader, 1):
            position = getattr(batch, "position", None)
            if done > len(due):
                raise ConfigError(
                    f"the loader yields more than the {counted(len(due), 'batch')} {_OF_ORDER}"
                )
            if position is not None and position != due[done - 1]:
                raise ConfigError(
                    f"the loader yields recorded batch {position} where batch {due[done - 1]} is "
                    f"due: it does not yield the batches {_OF_ORDER}"
                )
            self._done = first + done * self.world
            yield batch
        if done < len(due):
            raise ConfigError(
                f"the loader yields {done} of the {counted(len(due), 'batch')} {_OF_ORDER}"
            )
        self._done = first + len(due) * self.world

    def _epoch_positions(self) -> NDArray[np.int64]:
        """(n,) int64 positions of the epoch's batches, over all ranks."""
        if self.order == "epoch":
            return self._stored[self._stored_epoch(self.epoch)]
        if self.order == "recorded":
            return np.arange(self.epoch * self.per_epoch, (self.epoch + 1) * self.per_epoch) % (
                self.batches
            )
        rng = np.random.default_rng([self.seed, self.epoch])
        rounds = -(-self.per_epoch // self.batches)
        return np.concatenate([rng.permutation(self.batches) for _ in range(rounds)])[
            : self.per_epoch
        ]

    def _stored_epoch(self, epoch: int) -> int:
        """Which of the stored epochs an epoch of order 'epoch' replays."""
        number, rank = divmod(epoch, len(self._stored))
        rng = np.random.default_rng([self.seed, number])
        return int(rng.permutation(len(self._stored))[rank])

    def _count(self, epoch: int) -> int:
        """Batches of an epoch, over all ranks."""
        if self.order == "epoch":
            return len(self._stored[self._stored_epoch(epoch)])
        return self.per_epoch

    def state_dict(self) -> dict[str, Any]:
        """State for resuming after the last batch that `counted` yielded, on any number of ranks.

        The state is the same on all ranks that have done equally many batches.

        Raises:
            ConfigError: the pass was not counted.
        """
        if self._done is None:
            raise ConfigError(
                "the number of batches trained on is unknown, because workers prefetch: loop over "
                "order.counted(loader), with a plain DataLoader"
            )
        return {**self._identity(), "epoch": self.epoch, "batches_done": self._done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume after the batches already done, by all ranks together.

        With another number of ranks the epoch goes on with the batches that are left of it.

        Raises:
            MismatchError: the state belongs to a different order, or is malformed.
        """
        identity = self._identity()
        if mismatch := difference({key: state[key] for key in identity if key in state}, identity):
            raise MismatchError(
                f"the state to resume from belongs to a different order: {mismatch}"
            )
        epoch, done = state.get("epoch"), state.get("batches_done", -1)
        count = self._count(epoch) if isinstance(epoch, int) else self.per_epoch
        if not isinstance(epoch, int) or not isinstance(done, int) or not 0 <= done <= count:
            raise MismatchError(
                f"an order of {counted(count, 'batch')} per epoch cannot resume after {done}"
            )
        self.epoch, self._first, self._done = epoch, done, done

    def _identity(self) -> dict[str, Any]:
        names = ("batches", "per_epoch", "order", "seed")
        identity = {name: getattr(self, name) for name in names}
        if self.order == "epoch":
            identity["per_epoch"] = [len(positions) for positions in self._stored]
        return identity


def _positions_by_epoch(epochs: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Positions of the batches of each stored epoch, ascending, in order of epoch."""
    order = np.argsort(epochs, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(epochs[order])) + 1)

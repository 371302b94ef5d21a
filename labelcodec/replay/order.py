"""In which order a training run takes recorded batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar

import numpy as np
from torch.utils.data import Sampler

from labelcodec.errors import ConfigError, MismatchError
from labelcodec.mapdiff import difference

T = TypeVar("T")


class BatchOrder(Sampler[int]):
    """Positions of recorded batches, epoch by epoch: the sampler of a `DataLoader`.

    Args:
        batches: recorded batches there are.
        per_epoch: batches of an epoch, over all ranks; by default all.
        order: 'pool' draws an epoch's batches at random without replacement (LPQLD's pool of
            batches), again from the start where an epoch has more than there are; 'recorded' takes
            them as they come and goes on in the next epoch where this one ended.
        seed: of the draws; an epoch's draw depends on it and the epoch alone.
        rank: which of `world` processes this is; each takes every world-th batch.
        world: processes in all; what does not divide among them is left out of the epoch.

    Raises:
        ConfigError: no batches, fewer than processes, or impossible arguments.

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
        order: Literal["pool", "recorded"] = "pool",
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.batches, self.order, self.seed = batches, order, seed
        self.per_epoch = batches if per_epoch is None else per_epoch
        self.rank, self.world = rank, world
        if batches < 1 or not 0 <= rank < world or order not in ("pool", "recorded"):
            raise ConfigError(f"no {order!r} order of {batches} batches for rank {rank} of {world}")
        if seed < 0:
            raise ConfigError(f"seed {seed} of an order, allowed are 0 and more")
        if self.per_epoch < world:
            raise ConfigError(f"{self.per_epoch} batches an epoch for {world} processes")
        self.epoch = self._first = 0
        self._done: int | None = 0

    def __len__(self) -> int:
        """Batches of this rank's next pass: an epoch's, or what a resumed one has left."""
        return self._share - self._first

    @property
    def _share(self) -> int:
        """Batches of an epoch that this rank takes."""
        return self.per_epoch // self.world

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; one that is resumed in its middle stays there."""
        if epoch != self.epoch:
            self.epoch, self._first, self._done = epoch, 0, 0

    def __iter__(self) -> Iterator[int]:
        """The epoch, or what a resumed one has left."""
        self._done = None
        return self._pass()

    def _pass(self) -> Iterator[int]:
        share = self._drawn()[self.rank :: self.world][: self._share]
        yield from share[self._first :].tolist()
        self._first = 0

    def counted(self, loader: Iterable[T]) -> Iterator[T]:
        """A pass through a loader that has this order, counted for `state_dict`.

        The order itself cannot count: workers ask it for batches that nobody has trained on yet.
        """
        for done, batch in enumerate(loader, self._first + 1):
            self._done = done
            yield batch
        self._done = self._share

    def _drawn(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """(per_epoch,) batches of the epoch, over all ranks."""
        if self.order == "recorded":
            return np.arange(self.epoch * self.per_epoch, (self.epoch + 1) * self.per_epoch) % (
                self.batches
            )
        draw = np.random.default_rng([self.seed, self.epoch])
        rounds = -(-self.per_epoch // self.batches)
        return np.concatenate([draw.permutation(self.batches) for _ in range(rounds)])[
            : self.per_epoch
        ]

    def state_dict(self) -> dict[str, Any]:
        """Where a run stands: behind the last batch that `counted` gave.

        Raises:
            ConfigError: a pass that was not counted.
        """
        if self._done is None:
            raise ConfigError(
                "nobody knows how many batches were trained on, workers run ahead: loop over "
                "order.counted(loader)"
            )
        return {**self._identity(), "epoch": self.epoch, "done": self._done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on behind the batches that were done.

        Raises:
            MismatchError: the state is of another order, or not one.
        """
        own = self._identity()
        if what := difference({key: state[key] for key in own if key in state}, own):
            raise MismatchError(f"the order resumed from is another one: {what}")
        epoch, done = state.get("epoch"), state.get("done")
        if not isinstance(epoch, int) or not isinstance(done, int) or not 0 <= done <= self._share:
            raise MismatchError(f"an order of {self._share} batches cannot resume behind {done}")
        self.epoch, self._first, self._done = epoch, done, done

    def _identity(self) -> dict[str, Any]:
        names = ("batches", "per_epoch", "order", "seed", "world")
        return {name: getattr(self, name) for name in names}

"""How far a training run is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from labelcodec.progress import Progress
from labelcodec.replay.dataset import ReplayBatch


@dataclass(frozen=True)
class Progressed:
    """How far a run is, once a batch.

    Attributes:
        epoch: counted from 0.
        done: batches done in all epochs.
        total: batches of the whole run.
        top1: of the last validation, 0..1; None before one.
        shown: images that it has been shown and in all, while accuracy is measured.
    """

    epoch: int
    done: int
    total: int
    top1: float | None
    shown: tuple[int, int] | None = None


class Watch:
    """Counts batches as they go by.

    Args:
        progress: called after every batch; None for nobody.
        total: batches of the whole run.
    """

    def __init__(self, progress: Callable[[Progressed], None] | None, total: int) -> None:
        self._progress, self._total = progress, total
        self.top1: float | None = None

    def __call__(
        self, batches: Iterator[ReplayBatch], epoch: int, per_epoch: int
    ) -> Iterator[ReplayBatch]:
        """The batches of an epoch, one after another."""
        for i, batch in enumerate(batches):
            yield batch
            if self._progress is not None:
                done = epoch * per_epoch + i + 1
                self._progress(Progressed(epoch, done, self._total, self.top1))

    def validating(self, epoch: int, per_epoch: int) -> Progress:
        """What `evaluate` is to tell its progress, after an epoch."""

        def moved(shown: int, images: int) -> None:
            if self._progress is not None:
                done = (epoch + 1) * per_epoch
                self._progress(Progressed(epoch, done, self._total, self.top1, (shown, images)))

        return moved

"""Progress reporting of a training run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from labelcodec.progress import Progress
from labelcodec.replay.replay_batch import ReplayBatch
from labelcodec.wording import counted


class ProgressReporter:
    """Counts batches during training, and reports them with their epoch.

    Args:
        progress: called with batches done, total batches of the run, and a description; None to
            report nothing.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._before = [0]  # batches before each epoch, and in all
        self.top1: float | None = None
        """Top-1 accuracy at the last validation, 0..1; None before the first."""

    def start(self, per_epoch: Sequence[int]) -> None:
        """Set the number of batches of each epoch."""
        self._before = list(accumulate(per_epoch, initial=0))

    def watched(self, batches: Iterator[ReplayBatch], epoch: int) -> Iterator[ReplayBatch]:
        """Yield the batches of an epoch, reporting each once it has been trained on."""
        for i, batch in enumerate(batches):
            yield batch
            self._report(self._before[epoch] + i + 1, epoch, "")

    def validating(self, epoch: int) -> Progress:
        """Progress function for the validation after an epoch."""

        def report(done: int, total: int, /, doing: str | None = None) -> None:
            suffix = f", validation: {done} of {counted(total, 'image')}"
            self._report(self._before[epoch + 1], epoch, suffix)

        return report

    def caching(self, done: int, total: int, /, doing: str | None = None) -> None:
        """Progress function for decoding the images, before the first epoch."""
        if self._progress is not None:
            self._progress(done, total, doing or "image cache")

    def _report(self, done: int, epoch: int, suffix: str) -> None:
        if self._progress is None:
            return
        accuracy = "" if self.top1 is None else f", top-1 {100 * self.top1:.2f} %"
        self._progress(done, self._before[-1], f"epoch {epoch + 1}{accuracy}{suffix}")

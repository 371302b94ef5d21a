"""Progress reporting of a training run."""

from __future__ import annotations

from collections.abc import Iterator

from labelcodec.progress import Progress
from labelcodec.replay.dataset import ReplayBatch


class ProgressReporter:
    """Counts batches during training, and reports them with their epoch.

    Args:
        progress: called with batches done, total batches of the run, and a description; None to
            report nothing.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._epochs = self._per_epoch = 0
        self.top1: float | None = None
        """Top-1 accuracy at the last validation, 0..1; None before the first."""

    def start(self, epochs: int, per_epoch: int) -> None:
        """Set the number of epochs, and of batches per epoch."""
        self._epochs, self._per_epoch = epochs, per_epoch

    def watched(self, batches: Iterator[ReplayBatch], epoch: int) -> Iterator[ReplayBatch]:
        """Yield the batches of an epoch, reporting each once it has been trained on."""
        for i, batch in enumerate(batches):
            yield batch
            self._report(epoch * self._per_epoch + i + 1, epoch, "")

    def validating(self, epoch: int) -> Progress:
        """Progress function for the validation after an epoch."""

        def report(done: int, total: int, /, doing: str | None = None) -> None:
            suffix = f", validation: {done} of {total} images"
            self._report((epoch + 1) * self._per_epoch, epoch, suffix)

        return report

    def caching(self, done: int, total: int, /, doing: str | None = None) -> None:
        """Progress function for filling the image cache, before the first epoch."""
        if self._progress is not None:
            self._progress(done, total, "image cache")

    def _report(self, done: int, epoch: int, suffix: str) -> None:
        if self._progress is None:
            return
        accuracy = "" if self.top1 is None else f", top-1 {100 * self.top1:.2f} %"
        self._progress(done, self._epochs * self._per_epoch, f"epoch {epoch + 1}{accuracy}{suffix}")

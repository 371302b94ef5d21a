"""Jobs of a recovery: batches of images that are recovered together, apart from all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelcodec.pipeline.recovery.settings import RecoverySettings


@dataclass(frozen=True)
class Job:
    """A batch of images.

    Attributes:
        groups: seeds of the draws of equal parts of the batch, which are matched on their own.
        classes: class of each image, 0..C-1.
        positions: position of each image among those of its class, 0..ipc-1.
    """

    groups: tuple[int, ...]
    classes: tuple[int, ...]
    positions: tuple[int, ...]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.classes)

    @property
    def number(self) -> int:
        """Number of the job, unique in a run."""
        return self.groups[0]


def jobs_of(settings: RecoverySettings, classes: Sequence[int]) -> list[Job]:
    """The jobs of a run.

    By class ('classwise', 'lpld'), a job is the images of `group` classes, each of which is a group
    numbered by the class, so that its draws do not depend on the other classes. Otherwise ('sre2l',
    'cda') the first images of all classes are followed by their second ones, as in SRe2L's code,
    and jobs are consecutive.

    Args:
        settings: method, images per class and batch size.
        classes: the classes to recover, in order.
    """
    if settings.by_class:
        positions, size = tuple(range(settings.ipc)), settings.group
        together = [tuple(classes[start : start + size]) for start in range(0, len(classes), size)]
        return [
            Job(group, tuple(own for own in group for _ in positions), positions * len(group))
            for group in together
        ]
    pairs = [(own, position) for position in range(settings.ipc) for own in classes]
    batches = [
        pairs[start : start + settings.batch_size]
        for start in range(0, len(pairs), settings.batch_size)
    ]
    return [
        Job((number,), tuple(own for own, _ in batch), tuple(position for _, position in batch))
        for number, batch in enumerate(batches)
    ]

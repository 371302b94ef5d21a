"""Progress reports of long-running jobs."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A callback that receives the progress of a job."""

    def __call__(self, done: int, total: int, /, doing: str | None = None) -> None:
        """Receive a progress report.

        Args:
            done: batches, images or steps done; the job's documentation says which.
            total: number of them in all.
            doing: the current activity in a few words; None for a job with a single activity.
        """


def named(
    progress: Progress | None, doing: str, before: int = 0, total: int = 0
) -> Progress | None:
    """Wrap a progress callback for one of several consecutive jobs.

    Args:
        progress: the callback; None for no reports.
        doing: what the job does, in a few words.
        before: work done by earlier jobs.
        total: work of all jobs together; 0 for this job's own.
    """
    if progress is None:
        return None
    told = progress

    def report(done: int, own_total: int, /, doing: str | None = doing) -> None:
        told(before + done, total or own_total, doing)

    return report

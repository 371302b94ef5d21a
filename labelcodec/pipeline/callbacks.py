"""What a training run tells its callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelcodec.pipeline.evaluation import Scores
from labelcodec.pipeline.trainer import EpochFacts


class TrainingCallback:
    """Base class of callbacks; each method does nothing until it is overridden.

    They are called in the first process only, after the log and the checkpoint are written. What
    they raise ends the run, which can be resumed. A resumed run starts anew, and repeats no epoch.
    """

    def on_start(self, run: Mapping[str, Any], first: int) -> None:
        """The run begins.

        Args:
            run: its description, as in `run.json`: recipe, seed, classes, image size and more.
            first: its first epoch, counted from 0; above 0 if the run is resumed.
        """

    def on_epoch(self, facts: EpochFacts) -> None:
        """An epoch is trained.

        Args:
            facts: loss, accuracy, learning rate, temperatures and speed.
        """

    def on_scores(self, epoch: int, scores: Scores) -> None:
        """The student was evaluated on the validation images.

        Args:
            epoch: the last epoch trained, counted from 0.
            scores: accuracy and more.
        """

    def on_end(self) -> None:
        """The run is finished, and its student written."""

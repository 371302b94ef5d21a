"""Shows a training run in TensorBoard.

python examples/callbacks/tensorboard_callback.py labels.slc images run
tensorboard --logdir run
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from labelcodec.pipeline import Scores, TrainingCallback, train
from labelcodec.pipeline.trainer import EpochFacts


class TensorBoard(TrainingCallback):
    """Writes a scalar per epoch for the loss, the accuracy and the speed."""

    def __init__(self, folder: str) -> None:
        """Write event files to a folder."""
        self.writer = SummaryWriter(folder)

    def on_start(self, run: Mapping[str, Any], first: int) -> None:
        self.writer.add_text("recipe", str(run["recipe"]), first)

    def on_epoch(self, facts: EpochFacts) -> None:
        for name in ("loss", "top1", "learning_rate", "temperature"):
            self.writer.add_scalar(f"train/{name}", getattr(facts, name), facts.epoch)
        self.writer.add_scalar(
            "speed/images_per_second", facts.speed.images_per_second, facts.epoch
        )
        self.writer.add_scalar("speed/waiting", facts.speed.waiting, facts.epoch)

    def on_scores(self, epoch: int, scores: Scores) -> None:
        self.writer.add_scalar("validation/top1", scores.top1, epoch)

    def on_end(self) -> None:
        self.writer.close()


if __name__ == "__main__":
    labels, images, out = sys.argv[1:4]
    train(labels, images, "cifar10", out, callbacks=[TensorBoard(out)])

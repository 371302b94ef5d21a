"""Sends a training run to Weights & Biases.

python examples/callbacks/wandb_callback.py labels.slc images run
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import wandb

from labelcodec.pipeline import Scores, TrainingCallback, train
from labelcodec.pipeline.trainer import EpochFacts


class WeightsAndBiases(TrainingCallback):
    """Logs every epoch and every validation."""

    def __init__(self, project: str) -> None:
        """Log to a project."""
        self.project = project

    def on_start(self, run: Mapping[str, Any], first: int) -> None:
        self.run = wandb.init(project=self.project, config=dict(run))

    def on_epoch(self, facts: EpochFacts) -> None:
        self.run.log({"train": dataclasses.asdict(facts)})

    def on_scores(self, epoch: int, scores: Scores) -> None:
        self.run.log({"validation": dataclasses.asdict(scores)})

    def on_end(self) -> None:
        self.run.finish()


if __name__ == "__main__":
    labels, images, out = sys.argv[1:4]
    train(labels, images, "cifar10", out, callbacks=[WeightsAndBiases("labelcodec")])

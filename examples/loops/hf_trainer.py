"""Recorded batches in the Hugging Face Trainer.

python examples/loops/hf_trainer.py labels.slc images out
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from transformers import Trainer, TrainingArguments

from labelcodec import losses
from labelcodec.pipeline.models import build
from labelcodec.replay import BatchOrder, ReplayDataset, ResidentLoader

TEMPERATURE = 4.0


class RecordedBatches:
    """The batches of an epoch, as the Trainer iterates over a loader."""

    def __init__(self, dataset: ReplayDataset, arguments: TrainingArguments) -> None:
        """Each process has its share of every epoch's batches."""
        rank, world = arguments.process_index, arguments.world_size
        self.order = BatchOrder(len(dataset), seed=arguments.seed, rank=rank, world=world)
        self.loader = ResidentLoader(dataset, self.order, arguments.device)
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.order)

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer before every epoch."""
        self.order.set_epoch(epoch)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.order.counted(self.loader):
            yield {"batch": batch}


class DistillationTrainer(Trainer):
    """A Trainer whose batches are recorded ones, and whose loss is the divergence from labels."""

    def __init__(self, labels: str, images: str, arguments: TrainingArguments) -> None:
        """Open the labels, and make a student for their classes."""
        self.labels = ReplayDataset(labels, images)
        student = build("resnet20", self.labels.classes)  # any network of your own
        super().__init__(model=student, args=arguments)

    def get_train_dataloader(self) -> RecordedBatches:
        return RecordedBatches(self.labels, self.args)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], *_: object, **more: object
    ) -> torch.Tensor:
        batch = inputs["batch"]
        return losses.kl(model(batch.images), batch.labels, TEMPERATURE)


def arguments_for(out: str, epochs: int, **options: object) -> TrainingArguments:
    """Arguments of a run: batches are as large as they were recorded, and epochs resume whole."""
    return TrainingArguments(
        out,
        num_train_epochs=epochs,
        learning_rate=1e-3,
        weight_decay=0.01,
        lr_scheduler_type="cosine",
        logging_strategy="epoch",
        save_strategy="epoch",
        report_to="none",
        **options,
    )


if __name__ == "__main__":
    DistillationTrainer(*sys.argv[1:3], arguments_for(sys.argv[3], epochs=20)).train()

"""Recorded batches in Lightning.

python examples/loops/lightning_loop.py labels.slc images

On several processes each has its share of every epoch's batches.
"""

from __future__ import annotations

import sys

import lightning
import torch
from torch.utils.data import DataLoader

from labelcodec import losses
from labelcodec.pipeline.models import build
from labelcodec.replay import BatchOrder, ReplayBatch, ReplayDataset

TEMPERATURE = 4.0


class Distillation(lightning.LightningModule):
    """A student, and the labels and images that it learns from."""

    def __init__(self, labels: str, images: str, workers: int = 2) -> None:
        """Open the labels; uint8 images are small on their way to the device."""
        super().__init__()
        self.dataset = ReplayDataset(labels, images, uint8=True)
        self.student = build("convnet", self.dataset.classes)  # any network of your own
        self.workers = workers

    def train_dataloader(self) -> DataLoader[ReplayBatch]:
        # Lightning tells the order of every new epoch by its `set_epoch`
        world = self.trainer.world_size
        order = BatchOrder(len(self.dataset), seed=0, rank=self.global_rank, world=world)
        return DataLoader(self.dataset, batch_size=None, sampler=order, num_workers=self.workers)

    def transfer_batch_to_device(
        self, batch: ReplayBatch, device: torch.device, dataloader_idx: int
    ) -> ReplayBatch:
        return self.dataset.finish(batch, device)  # normalised, mixed, labels expanded

    def training_step(self, batch: ReplayBatch, index: int) -> torch.Tensor:
        loss = losses.kl(self.student(batch.images), batch.labels, TEMPERATURE)
        self.log("loss", loss, prog_bar=True, on_epoch=True, batch_size=len(batch))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3, weight_decay=0.01)


def trainer_of(epochs: int, **options: object) -> lightning.Trainer:
    """A trainer that keeps the order of the batches instead of its own sampler."""
    return lightning.Trainer(max_epochs=epochs, use_distributed_sampler=False, **options)


if __name__ == "__main__":
    trainer_of(epochs=20).fit(Distillation(sys.argv[1], sys.argv[2]))

"""Recorded batches in timm's train script, which stays as it is.

python examples/loops/timm_train.py labels.slc images path/to/pytorch-image-models/train.py \
    --data-dir DATA --train-split images --model resnet18 --num-classes 10 --img-size 32 \
    --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225

Options behind the script are its own; mean and std must be those that the labels are recorded with.
Two of its names are replaced: what creates the training loader, and the loss that it has by
default. Batches come augmented and mixed as the teacher saw them, so its own mixing stays off.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import timm.data
import timm.loss
import torch
import torch.distributed
from torch import nn

from labelcodec import losses
from labelcodec.replay import BatchOrder, ReplayDataset, ResidentLoader, SoftLabels

TEMPERATURE = 4.0


class RecordedBatches:
    """A loader of images and labels, as the train script expects one."""

    def __init__(self, labels: str, images: str, device: torch.device) -> None:
        """Each process has its share of every epoch's batches."""
        self.dataset = ReplayDataset(labels, images)
        rank, world = 0, 1
        if torch.distributed.is_initialized():
            rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        self.sampler = BatchOrder(len(self.dataset), seed=0, rank=rank, world=world)
        self.batch_sampler = None  # so that the script tells `sampler` of each epoch
        self.loader = ResidentLoader(self.dataset, self.sampler, device)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, SoftLabels]]:
        for batch in self.sampler.counted(self.loader):
            yield batch.images, batch.labels


class SoftLabelLoss(nn.Module):
    """In place of cross-entropy with smoothed classes."""

    def __init__(self, smoothing: float = 0.0) -> None:
        """The script's smoothing is for hard labels and not used."""
        super().__init__()

    def forward(self, student: torch.Tensor, labels: SoftLabels) -> torch.Tensor:
        return losses.kl(student, labels, TEMPERATURE)


def create_loader(
    labels: str, images: str, create: Callable[..., Any], dataset: Any, **options: Any
) -> Any:
    """The recorded batches for training, the script's own loader for validation."""
    if not options.get("is_training"):
        return create(dataset, **options)
    batches = RecordedBatches(labels, images, options["device"])
    recorded = batches.dataset.normalisation or {"mean": [0, 0, 0], "std": [1, 1, 1]}
    for name in ("mean", "std"):
        if list(options[name]) != recorded[name]:
            numbers = " ".join(map(str, recorded[name]))
            sys.exit(f"the labels are of inputs with another {name}: pass --{name} {numbers}")
    return batches


def main(labels: str, images: str, script: str, *options: str) -> None:
    """Run the train script."""
    recorded = partial(create_loader, labels, images, timm.data.create_loader)
    with (
        patch.object(timm.data, "create_loader", recorded),
        patch.object(timm.loss, "LabelSmoothingCrossEntropy", SoftLabelLoss),
        patch.object(sys, "argv", [script, *options]),
    ):
        runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A student in training: its model, its optimiser, and what an epoch does to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from labelcodec.pipeline import losses, schedules
from labelcodec.pipeline.calibration import FIRST, student_temperature
from labelcodec.pipeline.distributed import Process
from labelcodec.pipeline.ema import MovingAverage
from labelcodec.pipeline.recipe import TrainingRecipe
from labelcodec.pipeline.regroup import regroup
from labelcodec.replay.dataset import ReplayBatch
from labelcodec.replay.labels import SoftLabels


@dataclass(frozen=True)
class EpochFacts:
    """What an epoch of training came to.

    Attributes:
        epoch: counted from 0.
        samples: that this process trained on.
        loss: mean over samples.
        top1: share of samples whose image's class the student named, 0..1.
        learning_rate: of the epoch.
        temperature: of the labels.
        student_temperature: of the student.
    """

    epoch: int
    samples: int
    loss: float
    top1: float
    learning_rate: float
    temperature: float
    student_temperature: float


class Student:
    """A model that learns from recorded batches."""

    def __init__(self, model: nn.Module, recipe: TrainingRecipe, here: Process) -> None:
        """Move the model to its device and set up its optimiser.

        Args:
            model: the network, the same weights in every process.
            recipe: how it is trained.
            here: this process.
        """
        self.model = model.to(here.device)
        self.recipe, self.here = recipe, here
        self.average = MovingAverage(self.model, recipe.ema) if recipe.ema else None
        self.calibrated = FIRST
        self._optimizer = _optimizer(self.model, recipe)
        self._running: nn.Module = self.model
        if here.world > 1:
            ids = [here.device] if here.device.type == "cuda" else None
            self._running = DistributedDataParallel(self.model, device_ids=ids)

    @property
    def evaluated(self) -> nn.Module:
        """The model whose accuracy counts."""
        return self.model if self.average is None else self.average.model

    def train(self, batches: Iterable[ReplayBatch], epoch: int) -> EpochFacts:
        """One epoch over finished batches on the student's device."""
        recipe = self.recipe
        rate = recipe.learning_rate * schedules.learning_rate(
            epoch, recipe.epochs, warmup=recipe.warmup, stretch=recipe.stretch
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        temperature = recipe.temperature.at(epoch, recipe.epochs)
        own = self.calibrated if recipe.calibrated else temperature
        self._running.train()
        samples, loss, hits = 0, torch.zeros((), device=self.here.device), 0
        last: tuple[torch.Tensor, SoftLabels] | None = None
        for parts in regroup(batches, recipe.batch_size):
            self._optimizer.zero_grad(set_to_none=True)
            size = sum(map(len, parts))
            for part in _small(parts, recipe.micro_batch):
                logits = self._running(part.images).float()
                assert isinstance(part.labels, SoftLabels)
                value = self._loss(logits, part.labels, part.hard, temperature, own)
                torch.autograd.backward(value * (len(part) / size))
                loss += value.detach() * len(part)
                hits += int((logits.argmax(dim=1) == part.hard).sum())
                last = logits.detach(), part.labels
            self._optimizer.step()
            samples += size
            if self.average is not None:
                self.average.update(self.model)
        if recipe.calibrated and last is not None:
            logits, labels = last
            wanted = losses.target(labels, temperature, recipe.smoothing)
            self.calibrated = self._agreed(student_temperature(logits, wanted))
        count = max(samples, 1)
        return EpochFacts(epoch, samples, float(loss) / count, hits / count, rate, temperature, own)

    def _agreed(self, temperature: float) -> float:
        """The first process's choice, so that all students stay the same."""
        if self.here.world == 1:
            return temperature
        shared = torch.tensor(temperature, dtype=torch.float64, device=self.here.device)
        torch.distributed.broadcast(shared, 0)
        return float(shared)

    def _loss(
        self,
        logits: torch.Tensor,
        labels: SoftLabels,
        hard: torch.Tensor,
        temperature: float,
        own: float,
    ) -> torch.Tensor:
        if self.recipe.loss == "mse":
            return losses.mse(logits, labels)
        if self.recipe.loss == "cosine":
            return losses.cosine(logits, labels, hard, temperature)
        wanted = losses.target(labels, temperature, self.recipe.smoothing)
        return losses.kl(logits, wanted, own)

    def state(self) -> dict[str, Any]:
        """What `restore` needs, in tensors and plain values."""
        average = None if self.average is None else self.average.model.state_dict()
        return {
            "model": self.model.state_dict(),
            "average": average,
            "optimizer": self._optimizer.state_dict(),
            "calibrated": self.calibrated,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.model.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.calibrated = state["calibrated"]


def _optimizer(model: nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """AdamW or SGD; norms and biases are not decayed, as in the peers' runs."""
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _small(parts: list[ReplayBatch], size: int | None) -> Iterator[ReplayBatch]:
    for part in parts:
        for first in range(0, len(part), size or len(part)):
            yield part.rows(slice(first, first + (size or len(part))))

"""A student in training: its model, its optimiser, and what an epoch does to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from labelcodec.errors import DataError, MismatchError
from labelcodec.pipeline import losses, schedules
from labelcodec.pipeline.asking import asked
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
        samples: that all processes trained on.
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

    def leave(self) -> None:
        """Learn no more with the other processes, whose group may end."""
        self._running = self.model

    @property
    def evaluated(self) -> nn.Module:
        """The model whose accuracy counts."""
        return self.model if self.average is None else self.average.model

    def train(self, batches: Iterable[ReplayBatch], epoch: int) -> EpochFacts:
        """One epoch over finished batches on the student's device.

        Raises:
            DataError: the loss is not a number any more.
            MismatchError: the model does not take the images, has other classes than the labels, or
                no gradient flows back to it.
        """
        recipe = self.recipe
        rate = recipe.learning_rate * schedules.learning_rate(
            epoch, recipe.epochs, warmup=recipe.warmup, stretch=recipe.stretch
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        temperature = recipe.temperature.at(epoch, recipe.epochs)
        own = self.calibrated if recipe.calibrated else temperature
        self._running.train()
        who = f"the student {recipe.model}"
        samples = 0
        loss, hits = torch.zeros(2, dtype=torch.float64, device=self.here.device)
        last: list[tuple[torch.Tensor, SoftLabels]] = []
        for parts, total in self._steps(batches):
            self._optimizer.zero_grad(set_to_none=True)
            last = []
            for part, is_last in _small(parts, recipe.micro_batch):
                assert isinstance(part.labels, SoftLabels)
                with self._exchange(is_last):
                    logits = asked(self._running, part.images, part.labels.classes, who).float()
                    if not logits.requires_grad:
                        raise MismatchError(f"{who} cannot learn: no gradient flows back to it")
                    value = self._loss(logits, part.labels, part.hard, temperature, own)
                    # gradients are averaged over processes
                    torch.autograd.backward(value * (len(part) * self.here.world / total))
                loss += value.detach() * len(part)
                hits += (logits.argmax(dim=1) == part.hard).sum()
                samples += len(part)
                last.append((logits.detach(), part.labels))
            self._optimizer.step()
            if self.average is not None:
                self.average.update(self.model)
        sums = torch.stack([loss, hits, torch.full_like(loss, samples)])
        if self.here.world > 1:
            torch.distributed.all_reduce(sums)
        lost, named, count = sums.tolist()
        if not math.isfinite(lost):
            raise DataError(f"epoch {epoch}: the loss is {lost}; try a lower learning_rate")
        if recipe.calibrated and recipe.loss == "kl" and last:
            logits = torch.cat([one for one, _ in last])
            targets = [losses.target(one, temperature, recipe.smoothing) for _, one in last]
            self.calibrated = self._agreed(student_temperature(logits, torch.cat(targets)))
        per = max(count, 1)
        return EpochFacts(epoch, int(count), lost / per, named / per, rate, temperature, own)

    def _steps(self, batches: Iterable[ReplayBatch]) -> Iterator[tuple[list[ReplayBatch], int]]:
        """The parts of each step, and its samples in all processes.

        All processes take as many steps as the one with the fewest samples.
        """
        steps = regroup(batches, self.recipe.batch_size)
        while True:
            parts = next(steps, [])
            total, ready = self.here.sums(sum(map(len, parts)), int(bool(parts)))
            if ready < self.here.world:
                return
            yield parts, total

    def _exchange(self, now: bool) -> AbstractContextManager[object]:
        """Where gradients are added up: among the processes only once a step."""
        if isinstance(self._running, DistributedDataParallel) and not now:
            return self._running.no_sync()
        return nullcontext()

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


def _small(parts: list[ReplayBatch], size: int | None) -> Iterator[tuple[ReplayBatch, bool]]:
    """What passes through the model at once, and whether it is the last of the step."""
    for part in parts:
        for first in range(0, len(part), size or len(part)):
            stop = first + (size or len(part))
            yield part.rows(slice(first, stop)), part is parts[-1] and stop >= len(part)

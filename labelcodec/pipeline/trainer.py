"""Training of a student: model, optimiser and the training epoch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from labelcodec.errors import DataError, LabelcodecWarning, MismatchError
from labelcodec.pipeline import losses, schedules
from labelcodec.pipeline.calibration import FIRST, student_temperature
from labelcodec.pipeline.distributed import Process
from labelcodec.pipeline.ema import MovingAverage
from labelcodec.pipeline.forward import forward
from labelcodec.pipeline.phases import Objective
from labelcodec.pipeline.rebatch import StepSize, rebatch
from labelcodec.pipeline.training_recipe import TrainingRecipe
from labelcodec.replay.dataset import ReplayBatch
from labelcodec.replay.soft_labels import SoftLabels


@dataclass(frozen=True)
class EpochFacts:
    """Metrics of a training epoch.

    Attributes:
        epoch: the epoch, counted from 0.
        samples: number of samples trained on, over all processes.
        loss: mean over samples of the epoch's loss; that of another phase may be of another kind.
        top1: top-1 accuracy on the training samples against the class of the unmixed image, 0..1.
        learning_rate: learning rate of the epoch.
        temperature: temperature of the labels.
        student_temperature: temperature of the student's logits.
    """

    epoch: int
    samples: int
    loss: float
    top1: float
    learning_rate: float
    temperature: float
    student_temperature: float


class Trainer:
    """Trains a model on recorded batches."""

    def __init__(
        self,
        model: nn.Module,
        recipe: TrainingRecipe,
        this_process: Process,
        step: StepSize | None = None,
    ) -> None:
        """Move the model to its device and set up its optimiser.

        Args:
            model: the network, with the same weights in every process.
            recipe: the training settings.
            this_process: this process.
            step: this process's share of each step; by default what the recipe says.
        """
        self._step = step or StepSize(recipe.batch_size)
        self.model = model.to(this_process.device)
        self.recipe, self.process = recipe, this_process
        self.average = MovingAverage(self.model, recipe.ema) if recipe.ema else None
        self.calibrated = FIRST
        self._optimizer = _optimizer(self.model, recipe)
        self._wrapped: nn.Module = self.model
        if this_process.world > 1:
            ids = [this_process.device] if this_process.device.type == "cuda" else None
            self._wrapped = DistributedDataParallel(self.model, device_ids=ids)

    def leave(self) -> None:
        """Drop the distributed wrapper, so that the process group can end."""
        self._wrapped = self.model

    @property
    def evaluated(self) -> nn.Module:
        """The model to evaluate: the moving average if there is one."""
        return self.model if self.average is None else self.average.model

    def train(self, batches: Iterable[ReplayBatch], epoch: int) -> EpochFacts:
        """Train for one epoch.

        A last step of one sample is left out if the model has BatchNorm, which needs more.

        Args:
            batches: finished batches on the student's device.
            epoch: the epoch, counted from 0.

        Returns:
            Metrics over all processes.

        Raises:
            DataError: the loss is no longer finite.
            MismatchError: the model fails on the images, has another number of classes than the
                labels, or no gradient flows back to it.
        """
        recipe = self.recipe
        rate = recipe.learning_rate * schedules.learning_rate(
            epoch, recipe.epochs, warmup=recipe.warmup, stretch=recipe.stretch
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        objective = recipe.objective_at(epoch)
        temperature = recipe.temperature.at(epoch, recipe.epochs)
        own_temperature = self.calibrated if recipe.calibrated else temperature
        self._wrapped.train()
        who = f"the student {recipe.model}"
        samples = 0
        loss, hits = torch.zeros(2, dtype=torch.float64, device=self.process.device)
        last_step: list[tuple[torch.Tensor, SoftLabels]] = []
        largest = 0
        for parts, total, has_lone_sample in self._steps(batches):
            largest = max(largest, total)
            if has_lone_sample and self._has_batch_norm and largest > self.process.world:
                _tell_left_out()
                continue
            self._optimizer.zero_grad(set_to_none=True)
            last_step = []
            for part, is_last in _micro_batches(parts, recipe.micro_batch):
                assert isinstance(part.labels, SoftLabels)
                with self._gradient_sync(is_last):
                    logits = forward(self._wrapped, part.images, part.labels.classes, who).float()
                    if not logits.requires_grad:
                        raise MismatchError(f"{who} cannot learn: no gradient flows back to it")
                    value = _loss(objective, logits, part, temperature, own_temperature)
                    # DistributedDataParallel averages gradients over processes
                    torch.autograd.backward(value * (len(part) * self.process.world / total))
                loss += value.detach() * len(part)
                hits += (logits.argmax(dim=1) == part.hard).sum()
                samples += len(part)
                last_step.append((logits.detach(), part.labels))
            self._optimizer.step()
            if self.average is not None:
                self.average.update(self.model)
        sums = torch.stack([loss, hits, torch.full_like(loss, samples)])
        if self.process.world > 1:
            torch.distributed.all_reduce(sums)
        loss_sum, hit_count, sample_count = sums.tolist()
        if not math.isfinite(loss_sum):
            raise DataError(f"epoch {epoch}: the loss is {loss_sum}; try a lower learning_rate")
        upcoming = recipe.objective_at(min(epoch + 1, recipe.epochs - 1))
        if recipe.calibrated and upcoming.loss == "kl" and last_step:
            logits = torch.cat([part_logits for part_logits, _ in last_step])
            targets = [
                losses.target(labels, temperature, upcoming.smoothing) for _, labels in last_step
            ]
            self.calibrated = self._broadcast(student_temperature(logits, torch.cat(targets)))
        divisor = max(sample_count, 1)
        return EpochFacts(
            epoch,
            int(sample_count),
            loss_sum / divisor,
            hit_count / divisor,
            rate,
            temperature,
            own_temperature,
        )

    @property
    def _has_batch_norm(self) -> bool:
        return any(isinstance(module, _BatchNorm) for module in self.model.modules())

    def _steps(
        self, batches: Iterable[ReplayBatch]
    ) -> Iterator[tuple[list[ReplayBatch], int, bool]]:
        """Parts of each step, its samples over all processes, whether one process has one sample.

        Every process takes as many steps as the process with the fewest.
        """
        steps = rebatch(batches, self._step)
        while True:
            parts = next(steps, [])
            own = sum(map(len, parts))
            total, ready, lone = self.process.sums(own, int(bool(parts)), int(own == 1))
            if ready < self.process.world:
                return
            yield parts, total, lone > 0

    def _gradient_sync(self, is_last: bool) -> AbstractContextManager[object]:
        """Context of a backward pass: gradients are synchronised only in the last one of a step."""
        if isinstance(self._wrapped, DistributedDataParallel) and not is_last:
            return self._wrapped.no_sync()
        return nullcontext()

    def _broadcast(self, temperature: float) -> float:
        """The value of rank 0, so that all processes keep the same student."""
        if self.process.world == 1:
            return temperature
        shared = torch.tensor(temperature, dtype=torch.float64, device=self.process.device)
        torch.distributed.broadcast(shared, 0)
        return float(shared)

    def state(self) -> dict[str, Any]:
        """Training state for `restore`, as tensors and plain values."""
        average = None if self.average is None else self.average.model.state_dict()
        return {
            "model": self.model.state_dict(),
            "average": average,
            "optimizer": self._optimizer.state_dict(),
            "calibrated": self.calibrated,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Load a training state."""
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.model.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.calibrated = state["calibrated"]


def _loss(
    objective: Objective,
    logits: torch.Tensor,
    part: ReplayBatch,
    temperature: float,
    own_temperature: float,
) -> torch.Tensor:
    """Mean loss of the student's logits for a part of a step."""
    assert isinstance(part.labels, SoftLabels)
    if objective.loss == "mse":
        return losses.mse(logits, part.labels)
    if objective.loss == "cosine":
        return losses.cosine(logits, part.labels, part.hard, temperature)
    if objective.loss == "hard":
        partner = part.partner_hard, part.partner_share
        return losses.hard(logits, part.hard, *partner, objective.smoothing)
    targets = losses.target(part.labels, temperature, objective.smoothing)
    return losses.kl(logits, targets, own_temperature)


def _optimizer(model: nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """AdamW or SGD, without weight decay on norms and biases, as in the peers' code."""
    undecayed = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": undecayed, "weight_decay": 0.0},
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _tell_left_out() -> None:
    warnings.warn(
        "a last step of one sample is left out of each epoch: BatchNorm needs more than one",
        LabelcodecWarning,
        stacklevel=3,
    )


def _micro_batches(
    parts: list[ReplayBatch], size: int | None
) -> Iterator[tuple[ReplayBatch, bool]]:
    """Micro-batches of a step, each with whether it is the last one."""
    for part in parts:
        for start in range(0, len(part), size or len(part)):
            stop = start + (size or len(part))
            yield part.rows(slice(start, stop)), part is parts[-1] and stop >= len(part)

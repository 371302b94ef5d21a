"""Training of a student: model, optimiser and the training epoch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.amp import GradScaler
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from labelcodec import losses
from labelcodec.errors import DataError, LabelcodecWarning, MismatchError
from labelcodec.losses.calibration import FIRST, best_temperature, cross_entropies
from labelcodec.losses.phases import Objective
from labelcodec.pipeline import schedules
from labelcodec.pipeline.distributed import Process
from labelcodec.pipeline.ema import MovingAverage
from labelcodec.pipeline.forward import forward
from labelcodec.pipeline.rebatch import StepSize, rebatch
from labelcodec.pipeline.speed import Speed, Stopwatch
from labelcodec.pipeline.training_recipe import TrainingRecipe
from labelcodec.replay.replay_batch import ReplayBatch
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
        speed: how fast this process trained.
    """

    epoch: int
    samples: int
    loss: float
    top1: float
    learning_rate: float
    temperature: float
    student_temperature: float
    speed: Speed


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
        self._memory = (
            torch.preserve_format if recipe.precision == "float32" else torch.channels_last
        )
        self.model = model.to(this_process.device)
        self.model.to(memory_format=self._memory)  # type: ignore[call-overload]
        self.recipe, self.process = recipe, this_process
        self.average = MovingAverage(self.model, recipe.ema) if recipe.ema else None
        self.calibrated = FIRST
        self._optimizer = _optimizer(self.model, recipe)
        self._scaler = GradScaler(this_process.device.type, enabled=recipe.precision == "float16")
        self._wrapped: nn.Module = self.model
        if this_process.world > 1:
            ids = [this_process.device] if this_process.device.type == "cuda" else None
            self._wrapped = DistributedDataParallel(self.model, device_ids=ids)
        self._forward = self._wrapped
        if recipe.compile:
            self._forward = cast(nn.Module, torch.compile(self._wrapped))

    def leave(self) -> None:
        """Drop the distributed wrapper, so that the process group can end."""
        self._wrapped = self._forward = self.model

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
        exact = torch.float32 if self.process.device.type == "mps" else torch.float64
        loss, hits = torch.zeros(2, dtype=exact, device=self.process.device)
        last_step: list[tuple[torch.Tensor, SoftLabels]] = []
        largest = 0
        stopwatch = Stopwatch()
        for parts, total, has_lone_sample in self._steps(stopwatch.watched(batches)):
            largest = max(largest, total)
            if has_lone_sample and self._has_batch_norm and largest > self.process.world:
                _tell_left_out()
                continue
            self._optimizer.zero_grad(set_to_none=True)
            last_step = []
            for part, is_last in _micro_batches(parts, recipe.micro_batch):
                assert isinstance(part.labels, SoftLabels)
                with self._gradient_sync(is_last):
                    logits = self._logits(part, who)
                    if not logits.requires_grad:
                        raise MismatchError(f"{who} cannot learn: no gradient flows back to it")
                    value = _loss(objective, logits, part, temperature, own_temperature)
                    # DistributedDataParallel averages gradients over processes
                    share = len(part) * self.process.world / total
                    torch.autograd.backward(self._scaler.scale(value * share))
                loss += value.detach() * len(part)
                hits += (logits.argmax(dim=1) == part.hard).sum()
                samples += len(part)
                last_step.append((logits.detach(), part.labels))
            self._update()
        sums = torch.stack([loss, hits, torch.full_like(loss, samples)])
        if self.process.world > 1:
            torch.distributed.all_reduce(sums)
        loss_sum, hit_count, sample_count = sums.tolist()  # waits for the device
        if not math.isfinite(loss_sum):
            raise DataError(f"epoch {epoch}: the loss is {loss_sum}; try a lower learning_rate")
        speed = stopwatch.speed(samples)
        upcoming = recipe.objective_at(min(epoch + 1, recipe.epochs - 1))
        if recipe.calibrated and upcoming.loss == "kl" and last_step:
            entropies = [
                cross_entropies(logits, labels, temperature, upcoming.smoothing)
                for logits, labels in last_step
            ]
            self.calibrated = self._broadcast(best_temperature(torch.stack(entropies).sum(dim=0)))
        divisor = max(sample_count, 1)
        return EpochFacts(
            epoch,
            int(sample_count),
            loss_sum / divisor,
            hit_count / divisor,
            rate,
            temperature,
            own_temperature,
            speed,
        )

    def _logits(self, part: ReplayBatch, who: str) -> torch.Tensor:
        """(b, C) float32 logits of the student, in training."""
        assert isinstance(part.labels, SoftLabels)
        dtype = getattr(torch, self.recipe.precision)
        images = part.images.to(memory_format=self._memory)
        with torch.autocast(self.process.device.type, dtype, enabled=dtype is not torch.float32):
            return forward(self._forward, images, part.labels.classes, who).float()

    def _update(self) -> None:
        """Change the weights by the gradients of a step."""
        if self.recipe.clip:
            self._scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self.average is not None:
            self.average.update(self.model)

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
            "scaler": self._scaler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Load a training state."""
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.model.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.calibrated = state["calibrated"]
        self._scaler.load_state_dict(state.get("scaler", {}))


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
    return losses.kl(logits, part.labels, temperature, own_temperature, objective.smoothing)


def _optimizer(model: nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """AdamW or SGD, without weight decay on norms and biases, as in the peers' code."""
    undecayed = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": undecayed, "weight_decay": 0.0},
    ]
    is_fused = any(p.is_cuda for p in model.parameters()) or None  # torch's choice elsewhere
    if recipe.optimizer == "sgd":
        rate, momentum = recipe.learning_rate, recipe.momentum
        return torch.optim.SGD(groups, lr=rate, momentum=momentum, fused=is_fused)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=is_fused)


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

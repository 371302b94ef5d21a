"""Training of an encoder's low-rank updates and of a head."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from labelcodec import losses
from labelcodec.codecs.projector.codec import Projector
from labelcodec.codecs.projector.encoder_facts import EncoderFacts
from labelcodec.codecs.projector.format import FORMS, PROBED
from labelcodec.codecs.projector.matrix import Matrix
from labelcodec.codecs.projector.tables import Head, LayerUpdate, ProjectorTables
from labelcodec.errors import ConfigError, DataError
from labelcodec.pipeline.projection.encoder import Encoder
from labelcodec.pipeline.projection.head_init import HeadSample, head_weight, low_rank
from labelcodec.pipeline.projection.inputs import encoder_inputs
from labelcodec.pipeline.projection.targets import TargetBatch, Targets
from labelcodec.progress import Progress

SAMPLE = 4096  # labels that the head's initial weight is fitted to
MAX_STEPS = 10_000_000  # their order is drawn before the first
CHECKS, PATIENCE = 20, 5  # measurements of a run, and how many without improvement end it
CHECKED = 12  # held-out batches that they are of, at most


@dataclass(frozen=True)
class AdaptSettings:
    """Settings of the training.

    Attributes:
        steps: optimisation steps, a batch each, 0..10 000 000.
        learning_rate: that of AdamW at the start; it falls to 0 by a cosine.
        hard_weight: lambda, the weight of the cross-entropy to the images' classes.
        head_init: initial weight of the head, see `head_init.head_weight`; or 'text', embeddings
            of the class names by the encoder's text tower.
        seed: seed of the initial factors and of the order of batches.
        autocast: 'float16' or 'bfloat16' for mixed precision in training; None for float32.
    """

    steps: int = 1000
    learning_rate: float = 1e-3
    hard_weight: float = 0.0
    head_init: str | Path | NDArray[np.float64] = "probe"
    seed: int = 0
    autocast: str | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: a number out of range.
        """
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"`learning_rate` is {self.learning_rate}, expected above 0")
        if not 0 <= self.hard_weight < math.inf:
            raise ConfigError(f"`hard_weight` is {self.hard_weight}, expected 0 and more")
        if not 0 <= self.steps <= MAX_STEPS:
            raise ConfigError(f"`steps` is {self.steps}, expected 0..{MAX_STEPS}")


class Adaptation(nn.Module):
    """An encoder's updates and a head, in training.

    Args:
        encoder: the encoder; its own weights do not change.
        facts: its input.
        codec: ranks of the updates and of the head.
        sample: what the head is initialised with.
        scale: (2, d) mean and standard deviation of the features.
        settings: the training's settings.
    """

    def __init__(
        self,
        encoder: Encoder,
        facts: EncoderFacts,
        codec: Projector,
        sample: HeadSample,
        scale: torch.Tensor,
        settings: AdaptSettings,
    ) -> None:
        super().__init__()
        self._encoder, self._facts, self._codec = [encoder], facts, codec
        self._sides: dict[str, torch.Size] = {}
        self.down, self.up = nn.ParameterList(), nn.ParameterList()
        device = scale.device
        probe = torch.zeros(1, 3, facts.height, facts.width, device=device)
        own = dict(encoder.model.named_parameters())
        random = torch.Generator().manual_seed(settings.seed)
        for name in encoder.used_layers(probe) if codec.rank else ():
            weight = own[f"{name}.weight"]
            inner = weight[0].numel()
            rank = min(codec.rank, len(weight), inner)
            self._sides[name] = weight.shape
            self.down.append(torch.randn(rank, inner, generator=random).div_(math.sqrt(inner)))
            self.up.append(torch.zeros(rank, len(weight)))
        start, bias = head_weight(settings.head_init, sample)
        factors = low_rank(start, codec.head) if codec.head else (start,)
        self.head = nn.ParameterList(torch.from_numpy(f).float() for f in factors)
        self.bias = nn.Parameter(torch.from_numpy(bias).float())
        self.scale: torch.Tensor
        self.register_buffer("scale", scale)
        self.to(device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C) float32 logits of (B, 3, H, W) images in 0..1."""
        encoder = self._encoder[0]
        own = dict(encoder.model.named_parameters())
        weights = {}
        for (name, shape), down, up in zip(self._sides.items(), self.down, self.up, strict=True):
            weights[f"{name}.weight"] = own[f"{name}.weight"] + (up.T @ down).view(shape)
        features = encoder(encoder_inputs(images, self._facts), weights)
        with torch.autocast(images.device.type, enabled=False):
            standard = (features.float() - self.scale[0]) / self.scale[1]
            logits: torch.Tensor = standard @ self._weight().T + self.bias
            return logits

    def _weight(self) -> torch.Tensor:
        weight: torch.Tensor = self.head[-1]
        return weight if len(self.head) == 1 else self.head[0].T @ weight

    @torch.no_grad()
    def tables(self) -> ProjectorTables:
        """The tables to store, with a probe of zeros."""
        form = FORMS[self._codec.precision]

        def stored(values: torch.Tensor) -> Matrix:
            return Matrix.of(values.double().cpu().numpy(), form)

        layers = [
            LayerUpdate(name, stored(down), stored(up))
            for name, down, up in zip(self._sides, self.down, self.up, strict=True)
        ]
        mean, spread = self.scale[0], self.scale[1]
        last = stored(self.head[-1] / spread)  # features are not standardised by readers
        factors = (last,) if len(self.head) == 1 else (stored(self.head[0]), last)
        bias = self.bias.double().cpu().numpy()
        shifted = bias - Head(factors, bias).weight() @ mean.double().cpu().numpy()
        head = Head(factors, shifted.astype(np.float32))
        none = np.zeros(min(len(bias), PROBED), np.float32)
        return ProjectorTables(self._facts, layers, head, none)


def adapt(
    encoder: Encoder,
    facts: EncoderFacts,
    codec: Projector,
    targets: Targets,
    training: Sequence[int],
    held_out: Sequence[int],
    settings: AdaptSettings,
    device: torch.device,
    progress: Progress | None = None,
) -> ProjectorTables:
    """Train updates and head; the state with the lowest loss on held-out batches is kept.

    Args:
        encoder: the encoder.
        facts: its input.
        codec: ranks and precision.
        targets: the labels and their images.
        training: positions of the batches to train on.
        held_out: positions of the batches to measure on.
        settings: the training's settings.
        device: the device to train on.
        progress: called with labels seen for the head, then with steps done and all steps.

    Returns:
        The tables, with a probe of zeros.

    Raises:
        DataError: labels that are all the same, or the loss is no longer finite.
        MismatchError: the encoder fails on the images.
    """
    checked = held_out[:: -(-len(held_out) // CHECKED)]
    sample, scale = _sampled(encoder, facts, targets, training, device, progress)
    model = Adaptation(encoder, facts, codec, sample, scale, settings)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / max(settings.steps, 1)))
    )
    scaler = torch.amp.GradScaler(device.type, enabled=settings.autocast == "float16")
    best, best_loss, since = copy.deepcopy(model.state_dict()), math.inf, 0
    every = max(settings.steps // CHECKS, 1)
    order = _order(training, settings)
    for step, batch in enumerate(targets.batches(order, device)):
        if step % every == 0:
            loss = _held_out_loss(model, targets, checked, settings, device)
            best_loss, best, since = _kept(loss, best_loss, best, model, since)
            if since > PATIENCE:
                break
        with _autocast(device, settings.autocast):
            value = _loss(model(batch.images), batch, settings)
        if not value.isfinite():
            raise DataError(
                f"step {step}: the loss is {float(value.detach())}; lower `learning_rate`"
            )
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(scaler.scale(value))
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        if progress is not None:
            progress(step + 1, settings.steps, "training")
    loss = _held_out_loss(model, targets, checked, settings, device)
    _, best, _ = _kept(loss, best_loss, best, model, since)
    model.load_state_dict(best)
    return model.tables()


State = dict[str, torch.Tensor]


def _kept(
    loss: float, best_loss: float, best: State, model: nn.Module, since: int
) -> tuple[float, State, int]:
    """The lowest loss, its state, and how many measurements have not improved it."""
    if loss < best_loss:
        return loss, copy.deepcopy(model.state_dict()), 0
    return best_loss, best, since + 1


def _order(training: Sequence[int], settings: AdaptSettings) -> list[int]:
    """Positions of the batch of every step: pass after pass, each in an order of its own."""

    def drawn() -> Iterator[int]:
        random = np.random.default_rng(settings.seed)
        while True:
            yield from random.permutation(np.asarray(training)).tolist()

    return [position for _, position in zip(range(settings.steps), drawn(), strict=False)]


def _autocast(device: torch.device, dtype: str | None) -> torch.autocast:
    kinds = {"float16": torch.float16, "bfloat16": torch.bfloat16}
    return torch.autocast(device.type, kinds.get(dtype or "", torch.bfloat16), enabled=bool(dtype))


def _loss(logits: torch.Tensor, batch: TargetBatch, settings: AdaptSettings) -> torch.Tensor:
    value = losses.mse(logits, batch.labels)
    if settings.hard_weight:
        partner = batch.partner_hard, batch.partner_share
        value = value + settings.hard_weight * losses.hard(logits, batch.hard, *partner)
    return value


@torch.no_grad()
def _held_out_loss(
    model: nn.Module,
    targets: Targets,
    held_out: Sequence[int],
    settings: AdaptSettings,
    device: torch.device,
) -> float:
    total, labels = 0.0, 0
    for batch in targets.batches(held_out, device):
        with _autocast(device, settings.autocast):
            total += float(_loss(model(batch.images), batch, settings)) * len(batch)
        labels += len(batch)
    return total / labels


@torch.no_grad()
def _sampled(
    encoder: Encoder,
    facts: EncoderFacts,
    targets: Targets,
    training: Sequence[int],
    device: torch.device,
    progress: Progress | None,
) -> tuple[HeadSample, torch.Tensor]:
    """A sample of features and target logits, and mean and deviation (2, d) of the features."""
    features, logits, hard, labels = [], [], [], 0
    for batch in targets.batches(_spread(training), device):
        features.append(encoder(encoder_inputs(batch.images, facts)).float())
        logits.append(batch.labels.logits())
        hard.append(batch.hard)
        labels += len(batch)
        if progress is not None:
            progress(min(labels, SAMPLE), SAMPLE, "computing features for the head")
        if labels >= SAMPLE:
            break
    joined = torch.cat(features)
    if not joined.isfinite().all():
        raise DataError(f"the encoder {encoder.name} gave features that are not finite")
    deviation, mean = torch.std_mean(joined, dim=0, correction=0)
    scale = torch.stack([mean, deviation.clamp_min(1e-3 * float(deviation.max()) + 1e-6)])
    rows = ((joined - scale[0]) / scale[1]).double().cpu().numpy()
    target = torch.cat(logits).double().cpu().numpy()
    finite = np.isfinite(target)
    target = np.where(finite, target, np.where(finite, target, np.inf).min(axis=1, keepdims=True))
    target -= target.mean(axis=1, keepdims=True)
    return HeadSample(rows, target, torch.cat(hard).cpu().numpy()), scale


def _spread(training: Sequence[int]) -> list[int]:
    """The batches in an order in which each prefix is spread over all."""
    order = np.random.default_rng(0).permutation(len(training))
    return [training[place] for place in order]

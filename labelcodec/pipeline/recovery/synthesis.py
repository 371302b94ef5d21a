"""Synthesis of the images of one job by gradient descent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from labelcodec.errors import DataError, LabelcodecError, MismatchError
from labelcodec.pipeline.recovery.jobs import Job
from labelcodec.pipeline.recovery.norm_targets import NormTargets
from labelcodec.pipeline.recovery.objective import Objective, Terms
from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.recovery.views import draw_view
from labelcodec.wording import counted

BETAS = (0.5, 0.9)
REPORTS = 100  # readings of the loss per job


@dataclass(frozen=True)
class JobLoss:
    """Last reading of a job's loss.

    Attributes:
        cross_entropy: mean over the images of a view, in nats.
        norm: the BatchNorm loss, before its weight `alpha`.
    """

    cross_entropy: float
    norm: float


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Within this context, the model's parameters take no gradients."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def synthesise(
    initial: torch.Tensor,
    job: Job,
    objective: Objective,
    targets: NormTargets,
    limits: tuple[torch.Tensor, torch.Tensor],
    settings: RecoverySettings,
    report: Callable[[int, JobLoss | None], None],
) -> tuple[torch.Tensor, JobLoss | None]:
    """Minimise the objective over the images of a job.

    Adam with betas 0.5 and 0.9, half a cosine of learning rates, a new view in each iteration, and
    images clipped to the valid range after each step.

    Args:
        initial: (B, 3, H, W) float32 normalised images; they are not changed.
        job: classes of the images.
        objective: loss and gradient.
        targets: statistics to match.
        limits: (3, 1, 1) lowest and highest valid value of each colour.
        settings: iterations, learning rate and views.
        report: called with the iterations done and, now and then, the loss.

    Returns:
        (B, 3, H, W) images, and the last reading of the loss; None without iterations.

    Raises:
        DataError: the loss is no longer finite.
        MismatchError: the batch does not fit into memory.
    """
    images = initial.clone().requires_grad_()
    classes = torch.tensor(job.classes, device=images.device)
    optimizer = torch.optim.Adam([images], lr=settings.learning_rate, betas=BETAS)
    every, loss = math.ceil(settings.iterations / REPORTS) or 1, None
    for iteration in range(settings.iterations):
        optimizer.param_groups[0]["lr"] = settings.learning_rate_at(iteration)
        size = (images.shape[2], images.shape[3])
        views = [draw_view(settings, group, iteration, size) for group in job.groups]
        optimizer.zero_grad()
        with _memory_errors(len(job)):
            terms = objective.backward(images, classes, targets, views)
        optimizer.step()
        with torch.no_grad():
            images.clamp_(*limits)
        last = iteration + 1 == settings.iterations
        if last or iteration % every == 0:
            loss = _read(terms, iteration)
        report(iteration + 1, loss)
    return images.detach(), loss


def _read(terms: Terms, iteration: int) -> JobLoss:
    loss = JobLoss(float(terms.cross_entropy), float(terms.norm))
    if not (math.isfinite(loss.cross_entropy) and math.isfinite(loss.norm)):
        remedy = "check the teacher's weights and the statistics"
        if iteration:
            remedy = "lower `learning_rate`"
        raise DataError(
            f"iteration {iteration}: the loss is not finite; {remedy}, or leave `autocast` out if "
            "it is set"
        )
    return loss


@contextmanager
def _memory_errors(images: int) -> Iterator[None]:
    """Say what helps if a batch does not fit into memory."""
    try:
        yield
    except LabelcodecError as error:
        if error.__cause__ is None or not is_out_of_memory(error.__cause__):
            raise
        raise _too_large(images) from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise _too_large(images) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is exhausted, on a CPU or GPU."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


def _too_large(images: int) -> MismatchError:
    return MismatchError(
        f"a batch of {counted(images, 'image')} does not fit into memory; pass `micro_batch`, "
        "with which the result is the same up to rounding"
    )

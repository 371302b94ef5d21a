"""Forward pass of any model, with errors that name it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from labelcodec.errors import MismatchError
from labelcodec.pipeline.distributed import is_loss
from labelcodec.pipeline.model_output import checked_logits, logits_of
from labelcodec.replay.loading import is_worker_death


def forward(model: nn.Module, inputs: torch.Tensor, classes: int, who: str) -> torch.Tensor:
    """Run a student on a batch of images.

    Args:
        model: a model of any library, or the user's own.
        inputs: (B, 3, H, W) float images, normalised and on the model's device.
        classes: C.
        who: name of the model in error messages.

    Returns:
        (B, C) logits, in the dtype that the model returns.

    Raises:
        MismatchError: the model fails on such images, or does not return a (B, C) tensor.
    """
    return checked_logits(call_model(model, inputs, who), (len(inputs), classes), who)


def forward_teacher(
    model: nn.Module,
    inputs: torch.Tensor,
    classes: int,
    who: str,
    output: str | int | None = None,
) -> torch.Tensor:
    """Run a teacher, which may return its logits among other things, on a batch of images.

    Args:
        model: the teacher.
        inputs: (B, 3, H, W) float images, normalised and on the model's device.
        classes: C.
        who: name of the model in error messages.
        output: key or position of the logits among several outputs, see `logits_of`.

    Returns:
        (B, C) logits, in the dtype that the model returns.

    Raises:
        MismatchError: the model fails on such images, or what it returns holds no (B, C) logits
            that can be told.
    """
    return logits_of(call_model(model, inputs, who), (len(inputs), classes), who, output)


def call_model(model: nn.Module, inputs: torch.Tensor, who: str) -> Any:
    """What a model returns for a batch of images; its errors name it.

    Args:
        model: a model of any library, or the user's own.
        inputs: (B, 3, H, W) float images, normalised and on the model's device.
        who: name of the model in error messages.

    Raises:
        MismatchError: the model fails on such images.
    """
    try:
        return model(inputs)
    except MemoryError:
        raise
    except Exception as error:
        if is_loss(error) or is_worker_death(error):
            raise
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
        raise MismatchError(f"{who} fails on {tuple(inputs.shape)} images: {reason}") from error

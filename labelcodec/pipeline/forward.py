"""Forward pass of any model, with errors that name it."""

from __future__ import annotations

import torch
from torch import nn

from labelcodec.errors import MismatchError
from labelcodec.pipeline.distributed import is_loss
from labelcodec.pipeline.model_output import logits_of
from labelcodec.replay.loading import is_worker_death


def forward(
    model: nn.Module,
    inputs: torch.Tensor,
    classes: int,
    who: str,
    output: str | int | None = None,
) -> torch.Tensor:
    """Run a model on a batch of images.

    Args:
        model: a model of any library, or the user's own.
        inputs: (B, 3, H, W) float images, normalised and on the model's device.
        classes: C.
        who: name of the model in error messages.
        output: key or position of the logits among several outputs, see `logits_of`.

    Returns:
        (B, C) logits, in the dtype that the model returns.

    Raises:
        MismatchError: the model fails on such images, or does not return (B, C) logits.
    """
    try:
        returned = model(inputs)
    except MemoryError:
        raise
    except Exception as error:
        if is_loss(error) or is_worker_death(error):
            raise
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
        raise MismatchError(f"{who} fails on {tuple(inputs.shape)} images: {reason}") from error
    return logits_of(returned, (len(inputs), classes), who, output)

"""What a model says of images, whoever made the model."""

from __future__ import annotations

import torch
from torch import nn

from labelcodec.errors import MismatchError
from labelcodec.pipeline.distributed import is_loss
from labelcodec.replay.loading import is_worker_death


def asked(model: nn.Module, inputs: torch.Tensor, classes: int, who: str) -> torch.Tensor:
    """(B, C) logits.

    Args:
        model: from any library, or the user's own.
        inputs: (B, 3, H, W) images as it wants them.
        classes: C.
        who: the model, for error messages.

    Raises:
        MismatchError: the model does not take such images or does not give (B, C) numbers.
    """
    try:
        logits = model(inputs)
    except MemoryError:
        raise
    except Exception as error:
        if is_loss(error) or is_worker_death(error):
            raise
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
        raise MismatchError(f"{who} fails on {tuple(inputs.shape)} images: {reason}") from error
    if not isinstance(logits, torch.Tensor):
        raise MismatchError(f"{who} gave a {type(logits).__name__}, expected a tensor of logits")
    if logits.shape != (len(inputs), classes):
        raise MismatchError(
            f"{who} gave {tuple(logits.shape)} for {len(inputs)} images, expected "
            f"({len(inputs)}, {classes}): a logit for each class"
        )
    return logits

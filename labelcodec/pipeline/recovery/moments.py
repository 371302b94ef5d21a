"""Mean and variance of a layer's input by channel, with a gradient of one pass."""

from __future__ import annotations

from typing import Any

import torch


class _ChannelMoments(torch.autograd.Function):
    """The gradient of mean and variance is linear in the values: one multiplication suffices."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if values.device.type == "cpu" and len(values) == 1:
            # as BatchNorm in training, five times as fast as var_mean
            mean, variance = torch.batch_norm_update_stats(values[0], None, None, 0.0)
            mean, variance = mean[None], variance[None]
        else:
            variance, mean = torch.var_mean(values, (1, *range(3, values.ndim)), correction=0)
        ctx.save_for_backward(values, mean)
        return mean, variance

    @staticmethod
    def backward(ctx: Any, of_mean: torch.Tensor, of_variance: torch.Tensor) -> torch.Tensor:
        values, mean = ctx.saved_tensors
        count = values[0].numel() // values.shape[2]
        factor = of_variance * (2 / count)
        offset = of_mean / count - factor * mean
        shape = (len(values), 1, -1, *(1,) * (values.ndim - 3))
        return torch.addcmul(offset.view(shape), values, factor.view(shape))


def channel_moments(values: torch.Tensor, groups: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and population variance of each channel, differentiably.

    Args:
        values: (B, channels, …) input of a layer; computed in float32 if it has fewer bits.
        groups: number of equal parts of the batch that are measured on their own.

    Returns:
        (groups, channels) mean and (groups, channels) variance over images and positions.
    """
    if values.dtype in (torch.float16, torch.bfloat16):
        values = values.float()
    split = values.view(groups, -1, *values.shape[1:])
    mean, variance = _ChannelMoments.apply(split)  # type: ignore[no-untyped-call]
    return mean, variance

"""Mean and variance by channel, and their gradient."""

from __future__ import annotations

import pytest
import torch

from labelcodec.pipeline.recovery.moments import channel_moments

SHAPES = [(4, 3), (2, 3, 5), (4, 3, 5, 2), (2, 3, 2, 3, 2), (1, 3)]


def axes(values: torch.Tensor) -> tuple[int, ...]:
    return (0, *range(2, values.ndim))


@pytest.mark.parametrize("shape", SHAPES)
def test_moments_are_those_of_torch(shape: tuple[int, ...]) -> None:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 3 + 5
    mean, variance = channel_moments(values)
    torch.testing.assert_close(mean[0], values.mean(axes(values)))
    torch.testing.assert_close(variance[0], values.var(axes(values), correction=0))


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 5, 2)])
def test_groups_are_measured_on_their_own(shape: tuple[int, ...]) -> None:
    values = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    mean, variance = channel_moments(values, 3)
    assert mean.shape == variance.shape == (3, 3)
    for group, part in enumerate(values.chunk(3)):
        alone = channel_moments(part)
        torch.testing.assert_close((mean[group], variance[group]), (alone[0][0], alone[1][0]))
    assert torch.autograd.gradcheck(lambda x: channel_moments(x, 3), values)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_agrees_with_finite_differences(shape: tuple[int, ...]) -> None:
    values = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(channel_moments, values)


def test_views_with_other_strides_are_measured_as_they_are() -> None:
    values = torch.randn(4, 3, 6, 5).contiguous(memory_format=torch.channels_last)[:, :, 1:4, ::2]
    mean, variance = channel_moments(values)
    torch.testing.assert_close(mean[0], values.contiguous().mean((0, 2, 3)))
    torch.testing.assert_close(variance[0], values.contiguous().var((0, 2, 3), correction=0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_moments_of_half_precision_are_in_float32(dtype: torch.dtype) -> None:
    values = (torch.randn(64, 3, 9, 9) + 7).to(dtype)
    mean, variance = channel_moments(values)
    assert mean.dtype == variance.dtype == torch.float32
    torch.testing.assert_close(variance[0], values.float().var((0, 2, 3), correction=0))

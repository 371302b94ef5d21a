"""The loss against equations 2, 3 and 7, and its gradient with and without micro-batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labelcodec.errors import MismatchError
from labelcodec.pipeline.norm_layers import LayerInputs, norm_layers
from labelcodec.pipeline.recovery.moments import channel_moments
from labelcodec.pipeline.recovery.norm_targets import NormTargets, network_targets
from labelcodec.pipeline.recovery.objective import Objective, norm_loss
from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.recovery.views import View, draw_view, viewed
from labelcodec.pipeline.teacher import Teacher, load_teacher
from tests.pipeline.recovery.networks import Network
from tests.pipeline.scene import CLASSES, NORMALISATION, SIDE

CPU = torch.device("cpu")
SETTINGS = RecoverySettings(alpha=0.3, first_multiplier=4.0)
WHOLE = View(None, False, (0, 0))


def teacher(dtype: torch.dtype = torch.float32) -> Teacher:
    loaded = load_teacher(
        Network(), None, CLASSES, CPU, normalisation=NORMALISATION, autocast=None,
        precision="float32",
    )  # fmt: skip
    loaded.model.to(dtype)
    for parameter in loaded.model.parameters():
        parameter.requires_grad_(False)
    return loaded


def objective(settings: RecoverySettings, dtype: torch.dtype = torch.float32):
    loaded = teacher(dtype)
    inputs = LayerInputs(norm_layers(loaded.model, "it"), "it")
    blank = torch.zeros(2, 3, SIDE, SIDE, dtype=dtype)
    subject = Objective(loaded, inputs, settings)
    targets = network_targets(loaded.model, subject.layers(blank), "it", CPU)
    targets = replace(
        targets, mean=targets.mean.to(dtype) + 0.2, variance=targets.variance.to(dtype)
    )
    return loaded, subject, targets


def batch(count: int = 5, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(count, 3, SIDE, SIDE, generator=generator, dtype=dtype)
    return images.requires_grad_(), torch.arange(count) % CLASSES


def direct_loss(model: nn.Module, images, classes, targets: NormTargets, settings) -> torch.Tensor:
    """Equations 2 and 3, layer by layer."""
    values = {}
    hooks = [
        layer.register_forward_pre_hook(lambda _, args, name=name: values.update({name: args[0]}))
        for name, layer in norm_layers(model, "it").items()
    ]
    logits = model(images)
    for hook in hooks:
        hook.remove()
    total, start = F.cross_entropy(logits, classes), 0
    for number, name in enumerate(targets.layers):
        value = values[name]
        stop = start + value.shape[1]
        of_channel = value.transpose(0, 1).flatten(1)
        mean, variance = of_channel.mean(1), of_channel.var(1, unbiased=False)
        distance = (mean - targets.mean[0, start:stop]).norm()
        distance = distance + (variance - targets.variance[0, start:stop]).norm()
        weight = settings.first_multiplier if number == 0 else 1.0
        total = total + settings.alpha * weight * distance
        start = stop
    return total


def test_layers_are_in_the_order_of_the_pass_and_unused_ones_are_left_out() -> None:
    _, _, targets = objective(SETTINGS)
    assert targets.layers == ("norm", "last")


def test_loss_and_gradient_are_those_of_the_equations() -> None:
    loaded, subject, targets = objective(SETTINGS, torch.float64)
    images, classes = batch(dtype=torch.float64)
    view = draw_view(SETTINGS, 3, 7, (SIDE, SIDE))
    terms = subject.backward(images, classes, targets, [view])
    other = images.detach().clone().requires_grad_()
    expected = direct_loss(loaded.model, viewed(other, view), classes, targets, SETTINGS)
    expected.backward()
    total = terms.cross_entropy + SETTINGS.alpha * terms.norm
    torch.testing.assert_close(total.double(), expected.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(images.grad, other.grad, rtol=1e-4, atol=1e-7)


def test_mixed_precision_changes_little() -> None:
    _, exact, targets = objective(SETTINGS)
    _, mixed, _ = objective(replace(SETTINGS, autocast="bfloat16"))
    (images, classes), (others, _) = batch(), batch()
    expected = exact.backward(images, classes, targets, [WHOLE])
    terms = mixed.backward(others, classes, targets, [WHOLE])
    assert terms.norm.dtype == others.grad.dtype == torch.float32
    torch.testing.assert_close(terms.norm, expected.norm, rtol=0.03, atol=0)
    assert not torch.equal(terms.norm, expected.norm)
    flat = others.grad.flatten(), images.grad.flatten()
    assert float(F.cosine_similarity(*flat, dim=0)) > 0.95


def test_groups_have_the_gradients_that_they_have_alone() -> None:
    _, subject, targets = objective(SETTINGS)
    images, classes = batch(6)
    views = [draw_view(SETTINGS, group, 0, (SIDE, SIDE)) for group in range(3)]
    rows = torch.tensor([[0.0], [0.1], [0.4]])
    shifted = replace(targets, mean=targets.mean + rows, variance=targets.variance + rows)
    terms = subject.backward(images, classes, shifted, views)
    alone = []
    for group, part in enumerate(images.detach().chunk(3)):
        leaf = part.clone().requires_grad_()
        row = slice(group, group + 1)
        own = replace(shifted, mean=shifted.mean[row], variance=shifted.variance[row])
        of_part = classes.chunk(3)[group]
        alone.append((subject.backward(leaf, of_part, own, [views[group]]), leaf.grad))
    torch.testing.assert_close(images.grad, torch.cat([grad for _, grad in alone]))
    for name in ("cross_entropy", "norm"):
        mean = torch.stack([getattr(each, name) for each, _ in alone]).mean()
        torch.testing.assert_close(getattr(terms, name), mean)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_micro_batches_have_the_statistics_of_the_whole_batch(size: int) -> None:
    _, subject, targets = objective(SETTINGS)
    _, in_parts, _ = objective(replace(SETTINGS, micro_batch=size))
    view = View((1, 0, 6, 5), True, (1, 2))
    (images, classes), (others, _) = batch(), batch()
    terms, of_parts = (
        each.backward(pixels, classes, targets, [view])
        for each, pixels in ((subject, images), (in_parts, others))
    )
    torch.testing.assert_close(of_parts.cross_entropy, terms.cross_entropy)
    torch.testing.assert_close(of_parts.norm, terms.norm)
    torch.testing.assert_close(others.grad, images.grad, rtol=1e-3, atol=1e-6)


def test_norm_loss_has_a_finite_gradient_where_statistics_agree() -> None:
    moments = {
        "a": (torch.ones(1, 2), torch.ones(1, 2)),
        "b": (torch.zeros(1, 3), torch.ones(1, 3)),
    }
    targets = NormTargets.of(moments, CPU)
    mean = targets.mean.clone().requires_grad_()
    variance = (targets.variance + torch.tensor([0, 0, 3.0, 4.0, 0])).requires_grad_()
    loss = norm_loss(mean, variance, targets, 10.0)
    loss.backward()
    assert loss.item() == pytest.approx(5)
    assert mean.grad.tolist() == [[0] * 5]
    torch.testing.assert_close(variance.grad, torch.tensor([[0, 0, 0.6, 0.8, 0]]))


def test_gradient_of_the_norm_loss_agrees_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(2)
    shapes = ((6, 3, 4, 4), (6, 5))
    inputs = [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    ]
    names = dict(zip("ab", shapes, strict=True))
    targets = NormTargets.of(
        {name: (torch.full((2, shape[1]), 0.3), torch.ones(2, shape[1])) for name, shape in
         names.items()}, CPU,
    )  # fmt: skip
    targets = replace(targets, mean=targets.mean.double(), variance=targets.variance.double())

    def loss(*layers: torch.Tensor) -> torch.Tensor:
        means, variances = zip(*(channel_moments(layer, 2) for layer in layers), strict=True)
        return norm_loss(torch.cat(means, 1), torch.cat(variances, 1), targets, 10.0)

    assert torch.autograd.gradcheck(loss, inputs)


def test_first_layer_has_its_own_weight() -> None:
    zero = torch.zeros(1, 1)
    targets = NormTargets.of({"a": (zero, zero), "b": (zero, zero)}, CPU)
    loss = norm_loss(torch.tensor([[2.0, 3.0]]), torch.tensor([[5.0, 7.0]]), targets, 10.0)
    assert loss.item() == pytest.approx(10 * (2 + 5) + 3 + 7)


def test_statistics_of_a_layer_that_the_pass_leaves_out_are_refused() -> None:
    _, subject, targets = objective(SETTINGS)
    images, classes = batch()
    moments = {"unused": (torch.zeros(1, 7), torch.ones(1, 7))}
    with pytest.raises(MismatchError, match="does not use the layer unused"):
        subject.backward(images, classes, NormTargets.of(moments, CPU), [WHOLE])
    assert targets.layers


def test_layers_without_running_statistics_are_refused_by_name() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten())
    with pytest.raises(MismatchError, match="its layer 0 keeps no running statistics"):
        network_targets(model, ["0"], "it", CPU)

"""Features of a model: the right layer's input, or an error that says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from labelcodec.errors import DataError, MismatchError
from labelcodec.pipeline.evaluation import EvaluationImages
from labelcodec.pipeline.image_diversity.features import image_features, penultimate
from labelcodec.replay.normalisation import normalise
from tests.pipeline import scene

INPUTS = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Network(nn.Module):
    """A body whose output the head is given, and a linear layer that weighs channels.

    Args:
        head: makes logits from (B, 5, 6, 6).
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head  # registered first, called last
        self.body, self.weigh = nn.Conv2d(3, 5, 3), nn.Linear(5, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.body(images)
        return self.head(hidden * self.weigh(hidden.mean((2, 3)))[:, :, None, None])


class Tokens(nn.Module):
    """A head that is given (B, 36, 5), and whose logits are averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 7)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.linear(hidden.flatten(2).mT).mean(dim=1)


class Outputs(nn.Module):
    """A model that returns its logits in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Network(flat())

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"features": images, "logits": self.inner(images)}


class Rows(nn.Module):
    """A head that takes all positions of all images for samples."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(36, 7)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.linear(hidden.flatten(0, 1).flatten(1)).view(len(hidden), 5, 7).mean(dim=1)


class Unused(nn.Module):
    """A linear layer whose weights are used without a call of it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(192, 7)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1) @ self.linear.weight.T


def flat() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.AvgPool2d(6), nn.Flatten(), nn.Linear(5, 7))


@torch.no_grad()
def pooled(network: Network) -> torch.Tensor:
    hidden = network.body(INPUTS)
    return (hidden * network.weigh(hidden.mean((2, 3)))[:, :, None, None]).mean((2, 3))


@pytest.mark.parametrize(("head", "name"), [(flat(), "head.2"), (Tokens(), "head.linear")])
def test_features_are_the_input_of_the_layer_called_last(head, name: str) -> None:
    network = Network(head)
    layer, values = penultimate(network, INPUTS, "m")
    assert layer == name
    torch.testing.assert_close(values, pooled(network))
    assert not any(part._forward_pre_hooks for part in network.modules())


def test_models_may_return_logits_among_other_things() -> None:
    model = Outputs()
    layer, values = penultimate(model, INPUTS, "m")
    assert layer == "inner.head.2"
    torch.testing.assert_close(values, pooled(model.inner))


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (nn.Sequential(nn.Conv2d(3, 7, 8), nn.Flatten()), "has no linear layer"),
        (Unused(), "calls none of its linear layers"),
        (
            Network(nn.Sequential(nn.Conv2d(5, 7, 6), nn.Flatten())),
            "last linear layer weigh gives 5 values, which are not the model's output",
        ),
        (Network(Rows()), r"head.linear is given \(20, 36\) for 4 images"),
        (nn.Sequential(nn.Flatten(), nn.Linear(5, 7)), r"fails on \(4, 3, 8, 8\) images"),
    ],
)
def test_models_without_such_features(model, problem: str) -> None:
    with pytest.raises(MismatchError, match=f"the model m.*{problem}"):
        penultimate(model, INPUTS, "the model m")
    assert not any(part._forward_pre_hooks for part in model.modules())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return scene.images(tmp_path_factory.mktemp("features") / "images")


def shown(folder: Path) -> EvaluationImages:
    return EvaluationImages(folder, (8, 8), "bilinear", True, scene.CLASSES)


@pytest.mark.parametrize(("batch_size", "workers"), [(5, 0), (128, 1)])
def test_features_of_a_folder(folder, batch_size: int, workers: int) -> None:
    torch.manual_seed(2)
    model, images, seen = scene.still(scene.CLASSES), shown(folder), []
    measured = image_features(
        model, images, scene.NORMALISATION, "m", batch_size=batch_size, workers=workers,
        progress=lambda *step: seen.append(step),
    )  # fmt: skip
    with torch.no_grad():
        levels = torch.stack([images[i][0] for i in range(len(images))])
        direct = model[:3](normalise(levels, scene.NORMALISATION))
    assert (measured.layer, measured.values.dtype) == ("3", np.float32)
    np.testing.assert_allclose(measured.values, direct.numpy(), rtol=1e-5, atol=1e-6)
    assert seen[-1] == (scene.IMAGES, scene.IMAGES)


@pytest.mark.parametrize(
    ("bias", "problem"), [(-1e9, "all 0"), (float("nan"), "NaN"), (float("inf"), "infinite")]
)
def test_features_that_are_no_use(folder, bias: float, problem: str) -> None:
    model = scene.still(scene.CLASSES)
    with torch.no_grad():
        model[0].bias[:] = bias
    with pytest.raises(DataError, match=rf"class00/000.png: m gives features .*{problem}"):
        image_features(model, shown(folder), None, "m")

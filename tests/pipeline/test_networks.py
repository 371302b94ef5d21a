from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from labelcodec.errors import ConfigError
from labelcodec.pipeline import training_recipe
from labelcodec.pipeline.models import build


def test_small_resnet18_keeps_the_size_of_small_images() -> None:
    pytest.importorskip("torchvision")
    seen = []
    model = build(training_recipe.load_recipe("lpld-tiny").model, 7)
    model.layer1.register_forward_hook(lambda _, given, __: seen.append(given[0].shape))
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 7)
    assert seen == [(2, 64, 64, 64)]


def test_small_resnet18_changes_the_start_only(monkeypatch) -> None:
    class Large(nn.Module):
        def __init__(self, num_classes: int) -> None:
            super().__init__()
            self.conv1, self.maxpool = nn.Conv2d(3, 64, 7, 2, 3), nn.MaxPool2d(3, 2)
            self.fc = nn.Linear(2, num_classes)

    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "torchvision.models", SimpleNamespace(resnet18=Large))
    model = build(training_recipe.load_recipe("lpld-tiny").model, 7)
    start = model.maxpool(model.conv1(torch.zeros(1, 3, 8, 8)))
    assert (start.shape, model.conv1.bias) == ((1, 64, 8, 8), None)
    assert model.fc.out_features == 7


def test_more_classes_than_labels_may_have() -> None:
    with pytest.raises(ConfigError, match="is more than 1048576"):
        build("resnet20", 10**9)


def test_without_torchvision(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ConfigError, match=r"torchvision"):
        build(training_recipe.load_recipe("lpld-tiny").model, 7)

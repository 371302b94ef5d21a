"""Encoders: their features, the digest of their weights, the layers that are updated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from labelcodec.errors import ConfigError, MismatchError, ShapeError
from labelcodec.pipeline.projection.encoder import load_encoder, weights_digest
from tests.pipeline import scene

CPU = torch.device("cpu")


class Squeezed(nn.Module):
    """A network whose classifier is a 1x1 convolution, as SqueezeNet's; one layer is not used."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.wise = nn.Conv2d(4, 4, 3, groups=4)
        self.unused = nn.Linear(3, 3)
        self.last = nn.Conv2d(4, classes, 1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.wise(self.stem(x).relu()))
        try:
            return self.last(x).mean(dim=(2, 3))
        except Exception:
            return torch.zeros(len(x), 5)


def test_the_features_are_what_the_classifier_sees():
    model = Squeezed().eval()
    encoder = load_encoder(model, None, 5, None, CPU)
    assert encoder.features == "last"
    inputs = torch.randn(2, 3, 9, 9)
    found = encoder(inputs)
    expected = model.norm(model.wise(model.stem(inputs).relu())).mean(dim=(2, 3))
    assert torch.equal(found, expected)
    assert encoder.used_layers(inputs) == ["stem", "wise"]
    assert not model.last._forward_pre_hooks and not model.stem._forward_pre_hooks


def test_replaced_weights_are_those_of_one_call():
    encoder = load_encoder(Squeezed(), None, 5, None, CPU)
    inputs = torch.randn(2, 3, 9, 9)
    plain = encoder(inputs)
    other = encoder(inputs, {"stem.weight": torch.zeros_like(encoder.model.stem.weight)})
    assert not torch.equal(plain, other)
    assert torch.equal(plain, encoder(inputs))


def test_the_digest_is_that_of_names_types_shapes_and_values():
    state = scene.still(4).state_dict()
    digest = weights_digest(state)
    assert digest == weights_digest(dict(reversed(state.items())))
    assert digest == weights_digest({**state, "0.num_batches_tracked": torch.tensor(3)})
    name = next(iter(state))
    for changed in (state[name] + 1e-3, state[name].double(), state[name].flatten()):
        assert weights_digest({**state, name: changed}) != digest


def test_the_digest_is_as_the_specification_says():
    import hashlib

    data = b"b\0float32\x001,2\0" + np.array([1, 2], "<f4").tobytes()
    state = {"b": torch.tensor([[1.0, 2.0]])}
    assert weights_digest(state) == hashlib.sha256(data).hexdigest()


def test_the_output_as_features():
    encoder = load_encoder(nn.Flatten(), None, 5, "", CPU)
    assert encoder(torch.zeros(2, 3, 2, 2)).shape == (2, 12)


@pytest.mark.parametrize(
    ("model", "features", "error", "words"),
    [
        (nn.Flatten(), None, ConfigError, "`features`"),
        (nn.Flatten(), "fc", ConfigError, "no layer 'fc'"),
        (Squeezed(), "unused", MismatchError, "does not use"),
        (nn.Unflatten(1, (3, 1)), "", MismatchError, "expected"),
    ],
)
def test_encoders_without_such_features(model, features, error, words):
    with pytest.raises(error, match=words):
        load_encoder(model, None, 5, features, CPU)(torch.zeros(2, 3, 9, 9))


def test_weights_that_do_not_fit(world):
    weights = world / "teacher.safetensors"
    with pytest.raises(ShapeError, match="of 9 classes"):
        load_encoder(scene.SMALL, weights, 9, None, CPU)
    with pytest.raises(ConfigError, match="random weights"):
        load_encoder("convnet", None, 9, None, CPU)
    with pytest.raises(ConfigError, match="model file"):
        load_encoder("model.pt2", None, 9, None, CPU)
    with pytest.raises(ConfigError, match="pip install 'labelcodec"):
        load_encoder("torchvision/resnet18", weights, 9, None, CPU)
    with pytest.raises(ConfigError, match="pip install 'timm'"):
        load_encoder("timm/vit_tiny_patch16_224", weights, 9, None, CPU)

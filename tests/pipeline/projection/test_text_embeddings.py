"""Encoders of open_clip: image towers, and initial heads out of their text towers.

The package is played by a stand-in with its functions; the models of the real one are built where
it is installed.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import labelcodec
from labelcodec.errors import ConfigError
from labelcodec.pipeline import AdaptSettings
from labelcodec.pipeline.models import build
from labelcodec.pipeline.preprocessing import own_preprocessing
from labelcodec.pipeline.projection.encoder import OUTPUT, load_encoder
from labelcodec.pipeline.projection.text_embeddings import text_embeddings
from tests.pipeline import scene
from tests.pipeline.projection.conftest import projected

CPU, WIDTH = torch.device("cpu"), 8
NAME = "open_clip/Tiny-1"


class Clip(nn.Module):
    """As open_clip's: called with images and text, with a tower for each."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.Sequential(nn.Conv2d(3, WIDTH, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.visual.preprocess_cfg = {
            "size": (24, 24), "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25),
            "interpolation": "bicubic",
        }  # fmt: skip
        self.text = nn.Embedding(128, WIDTH)

    def encode_image(self, image, normalize=False):
        return self.visual(image)

    def encode_text(self, text, normalize=False):
        found = self.text(text).mean(dim=1)
        return nn.functional.normalize(found, dim=-1) if normalize else found

    def forward(self, image=None, text=None):
        return self.encode_image(image), self.encode_text(text), 1.0


def tokenized(prompts):
    rows = torch.zeros(len(prompts), 32, dtype=torch.long)
    for row, prompt in zip(rows, prompts, strict=True):
        row[: len(prompt)] = torch.tensor([ord(letter) % 128 for letter in prompt])
    return rows


@pytest.fixture
def package(monkeypatch):
    """The stand-in; `asked` holds the arguments of `create_model`."""
    module = types.ModuleType("open_clip")
    module.__spec__ = importlib.machinery.ModuleSpec("open_clip", None)
    module.asked = []

    def create_model(name, **options):
        module.asked.append((name, options))
        if name != "Tiny-1":
            raise RuntimeError(f"Model config for {name} not found.")
        torch.manual_seed(1)
        return Clip()

    module.create_model, module.get_tokenizer = create_model, lambda name: tokenized
    monkeypatch.setitem(sys.modules, "open_clip", module)
    return module


@pytest.fixture
def weights(tmp_path, package):
    torch.manual_seed(2)
    save_file(Clip().state_dict(), tmp_path / "clip.safetensors")
    return tmp_path / "clip.safetensors"


def test_an_encoder_is_its_image_tower(package, weights):
    encoder = load_encoder(NAME, weights, 1000, None, CPU)
    assert encoder.features == OUTPUT
    torch.manual_seed(2)
    clip, images = Clip(), torch.rand(2, 3, 24, 24)
    assert torch.equal(encoder(images), clip.encode_image(images))
    assert encoder.used_layers(images) == ["visual.0"]
    assert package.asked == [("Tiny-1", {"load_weights": False, "pretrained_text": False})]


def test_its_preprocessing_is_its_own(package):
    own = own_preprocessing(build(NAME, 1000), NAME)
    assert own.image_size == (24, 24) and own.normalisation["std"] == [0.25] * 3


def test_embeddings_of_class_names(package, weights):
    encoder = load_encoder(NAME, weights, 1000, None, CPU)
    found = text_embeddings(encoder, ["great_tit", "ox"])
    prompts = ["a photo of a great tit.", "a photo of a ox."]
    expected = encoder.model.encode_text(tokenized(prompts), normalize=True)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_a_head_of_text_embeddings(package, world, weights):
    made = projected(
        world, weights.with_name("p.slc"), encoder=NAME, encoder_weights=weights,
        settings=AdaptSettings(steps=0, head_init="text"), note=lambda line: None,
        codec="projector:rank=0,precision=float16",
    )  # fmt: skip
    with labelcodec.open(made.file) as reader:
        head = reader[0].labels.compact.tables.head.weight()
    names = [f"class{i:02}" for i in range(scene.CLASSES)]
    embeddings = text_embeddings(load_encoder(NAME, weights, 1000, None, CPU), names)
    assert head.shape == (scene.CLASSES, WIDTH)
    factor = head / embeddings  # one for each feature: its standardisation
    np.testing.assert_allclose(factor, np.tile(factor[0], (scene.CLASSES, 1)), rtol=0.02)


def test_what_text_embeddings_need(package, world, weights, monkeypatch):
    encoder = load_encoder(NAME, weights, 1000, None, CPU)
    with pytest.raises(ConfigError, match="names of the classes"):
        text_embeddings(encoder, None)
    with pytest.raises(ConfigError, match="has no text tower"):
        projected(
            world, weights.with_name("p.slc"), settings=AdaptSettings(steps=0, head_init="text")
        )

    def offline(name):
        raise OSError("no network")

    monkeypatch.setattr(package, "get_tokenizer", offline)
    with pytest.raises(ConfigError, match="no tokenizer: OSError: no network"):
        text_embeddings(encoder, ["ox"])


def test_names_that_cannot_be_built(package, monkeypatch):
    with pytest.raises(ConfigError, match="open_clip/Huge: Model config for Huge not found"):
        build("open_clip/Huge", 10)
    with pytest.raises(ConfigError):
        build("open_clip/hf-hub:org/repo", 10)
    assert all(":" not in name for name, _ in package.asked)
    monkeypatch.delitem(sys.modules, "open_clip")
    if importlib.util.find_spec("open_clip") is None:
        with pytest.raises(ConfigError, match="pip install 'open_clip_torch'"):
            build(NAME, 10)


def test_real_models():
    pytest.importorskip("open_clip", exc_type=ImportError)
    model = build("open_clip/RN50", 1000).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 224, 224)).shape == (1, 1024)

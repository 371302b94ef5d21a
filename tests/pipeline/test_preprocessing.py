from __future__ import annotations

import sys
from enum import Enum
from types import ModuleType, SimpleNamespace

import pytest
from torch import nn

import labelcodec
from labelcodec.errors import ConfigError, DataError
from labelcodec.pipeline.models import build
from labelcodec.pipeline.preprocessing import USUAL, Preprocessing, own_preprocessing, resolved
from labelcodec.pipeline.relabelling import relabel
from tests.pipeline import scene

HALF = {"mean": [0.5] * 3, "std": [0.5] * 3}
CONFIG = {
    "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "interpolation": "bicubic",
    "input_size": (3, 16, 24), "crop_pct": 0.9,
}  # fmt: skip
OWN = Preprocessing((16, 24), "bicubic", HALF)


def configured(**config) -> nn.Module:
    """A model as timm makes it."""
    model = scene.still(6)
    model.pretrained_cfg = config
    return model


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (CONFIG, OWN),
        ({**CONFIG, "interpolation": "random"}, Preprocessing((16, 24), None, HALF)),
        ({**CONFIG, "input_size": None, "std": None}, Preprocessing(None, "bicubic")),
        ({**CONFIG, "std": (0.5, 0.5, 0.0)}, Preprocessing((16, 24), "bicubic")),
        ({**CONFIG, "mean": (0.5,)}, Preprocessing((16, 24), "bicubic")),
        ({}, Preprocessing()),
    ],
)
def test_what_timm_says(config, expected) -> None:
    assert own_preprocessing(configured(**config), "timm/vit") == expected


def test_what_torchvision_says(monkeypatch) -> None:
    class Mode(Enum):
        BICUBIC = "bicubic"

    preset = SimpleNamespace(
        mean=[0.5] * 3, std=[0.5] * 3, interpolation=Mode.BICUBIC, crop_size=[32]
    )
    known = {"resnet18": SimpleNamespace(DEFAULT=SimpleNamespace(transforms=lambda: preset))}
    models = ModuleType("torchvision.models")
    models.get_model_weights = known.__getitem__
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    own = own_preprocessing(scene.still(6), "torchvision/resnet18")
    assert own == Preprocessing((32, 32), "bicubic", HALF)
    assert own_preprocessing(scene.still(6), "torchvision/unknown") == Preprocessing()
    assert own_preprocessing(scene.still(6), "resnet20") == Preprocessing()


def test_who_decides() -> None:
    assert resolved(Preprocessing(), Preprocessing(), USUAL, "t") == (USUAL, ())
    settings, (note,) = resolved(Preprocessing(), OWN, USUAL, "t")
    assert settings == OWN
    assert note == (
        "t: taken from its own configuration: image size 16 x 24, interpolation bicubic, "
        "normalisation mean 0.5 0.5 0.5, std 0.5 0.5 0.5"
    )
    given = Preprocessing((16, 24), "bilinear", {"mean": [0, 0, 0], "std": [1, 1, 1]})
    settings, notes = resolved(given, OWN, USUAL, "t")
    assert settings == given
    assert [note.partition(";")[0] for note in notes] == [
        "t: its own configuration says interpolation bicubic, not bilinear",
        "t: its own configuration says normalisation mean 0.5 0.5 0.5, std 0.5 0.5 0.5, "
        "not mean 0 0 0, std 1 1 1",
    ]
    assert resolved(OWN, OWN, USUAL, "t") == (OWN, ())


def test_a_given_normalisation_is_checked() -> None:
    with pytest.raises(DataError, match="'std' is None"):
        Preprocessing(normalisation={"mean": [0, 0, 0]})


def test_relabel_takes_the_teachers_own(tmp_path) -> None:
    folder = scene.images(tmp_path / "images")
    teacher = configured(**{**CONFIG, "input_size": (3, 8, 8)})
    notes: list[str] = []
    given = {"epochs": 1, "device": "cpu", "note": notes.append}
    relabel(folder, tmp_path / "a.slc", teacher, **given)
    header = labelcodec.open(tmp_path / "a.slc").header
    assert (header.image_size, header.interpolation) == ((8, 8), "bicubic")
    assert header.normalisation == HALF
    assert "taken from its own configuration: image size 8 x 8" in notes[0]
    relabel(folder, tmp_path / "b.slc", teacher, interpolation="bilinear", **given)
    assert labelcodec.open(tmp_path / "b.slc").header.interpolation == "bilinear"
    assert any("says interpolation bicubic, not bilinear" in note for note in notes)


@pytest.mark.parametrize(("name", "size"), [("resnet20", (32, 32)), ("convnet", None)])
def test_networks_of_cifar_say_their_input_size(name: str, size: tuple[int, int] | None) -> None:
    assert own_preprocessing(build(name, 10), name).image_size == size


@pytest.mark.parametrize("size", [0, -1, 65_536, (8, 10**30), (0, 8)])
def test_sides_that_no_image_has(size) -> None:
    with pytest.raises(ConfigError, match="sides of 1 to 65535"):
        Preprocessing.stated(size, None, None)

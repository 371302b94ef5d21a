"""Tables of recipes against the paper's (arXiv 2604.18135, Tables XI to XIII and XV to XVII)."""

from __future__ import annotations

import inspect
import math
from dataclasses import fields

import pytest

from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.errors import ConfigError
from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.relabelling import relabel
from labelcodec.pipeline.squeezing import squeeze
from labelcodec.pipeline.stage_recipe import (
    STAGES,
    recipe_names,
    recipe_tables,
    stage_settings,
)
from labelcodec.pipeline.training_recipe import load_recipe
from labelcodec_cli.main import COMMANDS

SQUEEZED = {"lpqld-in1k": (1_281_167, 256, 5005), "lpqld-in21k": (11_060_223, 1024, 10_801)}
RECOVERED = {  # iterations, learning rate, alpha
    "lpld-in1k": (4000, 0.25, 0.01),
    "lpqld-in1k": (4000, 0.25, 0.01),
    "lpqld-in21k": (2000, 0.05, 0.25),
}


def tables() -> list[tuple[str, str]]:
    return [
        (name, stage) for name in recipe_names() for stage in STAGES if stage in recipe_tables(name)
    ]


@pytest.mark.parametrize("name", SQUEEZED)
def test_squeeze_has_the_updates_of_tables_xi_and_xv(name: str) -> None:
    images, batch, updates = SQUEEZED[name]
    settings = stage_settings(name, "squeeze")
    assert settings == {"batch_size": batch, "epochs": 1}
    assert math.ceil(images / batch) == updates


@pytest.mark.parametrize("name", RECOVERED)
def test_recover_has_the_settings_of_tables_xii_and_xvi(name: str) -> None:
    settings = RecoverySettings(**stage_settings(name, "recover"))
    assert (settings.iterations, settings.learning_rate, settings.alpha) == RECOVERED[name]
    assert (settings.method, settings.init) == ("lpld", "noise")


def test_relabel_has_the_settings_of_table_xiii() -> None:
    settings = {
        "epochs": 300,
        "batch_size": 128,
        "scale": (0.08, 1.0),
        "flip": 0.5,
        "mix": "cutmix",
    }
    assert stage_settings("lpqld-in1k", "relabel") == settings


def test_relabel_has_the_settings_of_table_xvii() -> None:
    settings = stage_settings("lpqld-in21k", "relabel")
    assert (settings["epochs"], settings["batch_size"], settings["scale"]) == (300, 32, (0.08, 1.0))
    assert settings["mix"] is None and settings["cutout"] == 0.5


@pytest.mark.parametrize(
    ("name", "rate", "decay", "smoothing"),
    [("lpqld-in1k", 1e-3, 0.01, 0.0), ("lpqld-in21k", 2e-3, 0.01, 0.2)],
)
def test_training_has_the_settings_of_tables_xiii_and_xvii(name, rate, decay, smoothing) -> None:
    recipe = load_recipe(name)
    assert (recipe.epochs, recipe.optimizer, recipe.learning_rate) == (300, "adamw", rate)
    assert (recipe.weight_decay, recipe.smoothing, recipe.ema) == (decay, smoothing, 0)
    temperatures = [recipe.temperature.at(epoch, 300) for epoch in (0, 29, 30, 60, 299)]
    assert temperatures == pytest.approx([20, 20, 14, 9.8, 2])


@pytest.mark.parametrize(("name", "stage"), tables())
def test_settings_are_arguments_and_options_of_their_stage(name: str, stage: str) -> None:
    settings = stage_settings(name, stage)
    known = {
        "squeeze": set(inspect.signature(squeeze).parameters),
        "recover": {field.name for field in fields(RecoverySettings)},
        "relabel": set(inspect.signature(relabel).parameters)
        | {field.name for field in fields(AugmentationSpec)},
    }[stage]
    assert settings.keys() <= known
    assert settings.keys() <= {option.name for option in COMMANDS[stage].params}


def test_a_recipe_without_the_table_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"recipe omniglot242 has no table \[squeeze\]"):
        stage_settings("omniglot242", "squeeze")

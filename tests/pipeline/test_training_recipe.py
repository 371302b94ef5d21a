from __future__ import annotations

import json

import pytest

from labelcodec.errors import ConfigError
from labelcodec.losses.phases import Phase
from labelcodec.pipeline.schedules import TemperatureSchedule
from labelcodec.pipeline.stage_recipe import recipe_names
from labelcodec.pipeline.training_recipe import (
    TrainingRecipe,
    from_map,
    load_recipe,
    merge_settings,
)


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_load(name: str) -> None:
    recipe = load_recipe(name)
    assert from_map(json.loads(json.dumps(recipe.to_map())), name) == recipe


def test_there_are_the_papers_recipes_and_the_small_ones() -> None:
    names = {"lpqld-in1k", "lpqld-in21k", "lpld-tiny", "hald-in1k", "pca-in1k"}
    assert names | {"omniglot242", "cifar10"} <= set(recipe_names())


def test_the_paper_on_imagenet_1k() -> None:
    """Table XIII."""
    assert load_recipe("lpqld-in1k") == TrainingRecipe()
    assert load_recipe("lpqld-in1k").temperature == TemperatureSchedule("step", 20, 2, 0.7, 0.1)
    assert load_recipe("lpld-in1k").temperature.at(299, 300) == 20


def test_lpld_on_tiny_imagenet() -> None:
    """Loss times temperature^2 at rate 0.2 and decay 1e-4: gradients that much larger."""
    recipe = load_recipe("lpld-tiny")
    assert recipe.temperature.at(99, recipe.epochs) == 20
    scale = 20**2
    assert recipe.learning_rate / scale == pytest.approx(0.2)
    assert recipe.weight_decay * scale == pytest.approx(1e-4)


def test_changes_replace_settings() -> None:
    found = load_recipe("cifar10", {"epochs": 3, "learning_rate": 1, "ema": 0.5})
    assert (found.epochs, found.learning_rate, found.ema) == (3, 1.0, 0.5)
    assert found.model == "resnet20"


def test_changes_of_a_table_leave_the_rest_of_it() -> None:
    found = load_recipe("cifar10", {"temperature": {"last": 3}}).temperature
    assert found == TemperatureSchedule("cosine", 20, 3)
    assert load_recipe("cifar10", {"temperature": 4}).temperature.at(100, 200) == 4
    assert (
        load_recipe("lpld-in1k", {"temperature": {"kind": "cosine"}}).temperature.kind == "cosine"
    )


def test_a_number_is_a_constant_temperature() -> None:
    """A change of its last one alone used to make steps down from 20 of it."""
    with pytest.raises(ConfigError, match=r"temperature\.last .* 'constant'; set the kind, too"):
        load_recipe("lpld-in1k", {"temperature": {"last": 1}})
    found = load_recipe("lpld-in1k", {"temperature": {"first": 5}}).temperature
    assert (found.kind, found.first) == ("constant", 5)
    found = load_recipe("lpld-in1k", {"temperature": {"last": 1, "kind": "cosine"}}).temperature
    assert found == TemperatureSchedule("cosine", 20, 1)


def test_settings_that_change_nothing() -> None:
    with pytest.raises(ConfigError, match=r"temperature\.every changes nothing .* 'cosine'"):
        load_recipe("cifar10", {"temperature": {"every": 0.5}})
    assert (
        load_recipe("cifar10", {"temperature": {"every": 0.5, "kind": "step"}}).temperature.every
        == 0.5
    )


def test_phases_of_a_file(tmp_path) -> None:
    text = """
        smoothing = 0.1
        [[phases]]
        share = 0.25
        loss = "kl"
        [[phases]]
        share = 0.75
        loss = "hard"
        smoothing = 0
    """
    (tmp_path / "own.toml").write_text(text)
    assert load_recipe(str(tmp_path / "own.toml")).phases == (
        Phase(0.25, "kl"),
        Phase(0.75, "hard", 0.0),
    )


def test_phases_replace_phases_and_losses() -> None:
    tables = [{"share": 1, "loss": "mse"}]
    assert load_recipe("hald-in1k", {"phases": tables}).phases == (Phase(1.0, "mse"),)
    assert load_recipe("pca-in1k", {"phases": tables}).losses == ("mse",)
    assert load_recipe("hald-in1k", {"phases": []}).losses == ("kl",)
    assert load_recipe("pca-in1k", {"phases": []}).losses == ("hard",)
    assert load_recipe("hald-in1k", {"phases": [], "loss": "hard"}).losses == ("hard",)


def test_a_loss_that_phases_leave_unused(tmp_path) -> None:
    what = r"loss changes nothing where the recipe has phases.*; set phases=\[\] as well"
    with pytest.raises(ConfigError, match=f"hald-in1k: {what}"):
        load_recipe("hald-in1k", {"loss": "hard"})
    text = 'loss = "kl"\n[[phases]]\nshare = 1\nloss = "hard"'
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(ConfigError, match=what):
        load_recipe(str(tmp_path / "own.toml"))


def test_a_recipe_of_an_earlier_version() -> None:
    settings = TrainingRecipe().to_map()
    assert settings.pop("phases") == []
    assert from_map(settings, "run.json") == TrainingRecipe()


def test_a_table_replaces_what_is_no_temperature() -> None:
    with pytest.raises(ConfigError, match=r"epochs=\{'x': 1\} is not of type int"):
        load_recipe("cifar10", {"epochs": {"x": 1}})


def test_merging_leaves_its_arguments() -> None:
    one = {"a": {"b": 1}, "c": 2}
    assert merge_settings(one, {"a": {"d": 3}, "e": 4}) == {"a": {"b": 1, "d": 3}, "c": 2, "e": 4}
    assert merge_settings(one, {"c": {"x": 1}})["c"] == {"x": 1}
    assert one == {"a": {"b": 1}, "c": 2}


def test_a_file(tmp_path) -> None:
    (tmp_path / "own.toml").write_text('model = "resnet56"\n[temperature]\nkind = "constant"\n')
    assert load_recipe(str(tmp_path / "own.toml")).model == "resnet56"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model = ", "not TOML"),
        ("modle = 'x'", "unknown setting 'modle'; there are model, epochs"),
        ("epochs = 2.5", "epochs=2.5 is not of type int"),
        ("epochs = true", "is not of type int"),
        ("epochs = 0", "epochs=0"),
        ("model = 3", "is not of type str"),
        ("calibrated = 1", "is not of type bool"),
        ("loss = 'ce'", "loss='ce', allowed are kl, mse, cosine, hard"),
        ("phases = 'hard'", "phases='hard' must be a list of tables, such as"),
        ("phases = [1]", r"phases=\[1\] must be a list of tables"),
        ("[phases]\nshare = 1", "must be a list of tables"),
        ("phases = [{share=1}]", "phase 1 has no loss"),
        ("phases = [{share=0.5, loss='kl'}, {loss='kl'}]", "phase 2 has no share"),
        ("phases = [{share=1, loss='ce'}]", "phase 1: loss='ce', allowed are"),
        ("phases = [{share=1, loss='kl', rate=1}]", "phase 1: unknown setting 'rate'"),
        ("phases = [{share='x', loss='kl'}]", "phase 1: share='x' is not of type float"),
        ("phases = [{share=1, loss='kl', smoothing='x'}]", "smoothing='x' is not of type float"),
        ("phases = [{share=1, loss='kl', smoothing=1}]", "phase: smoothing=1,"),
        ("phases = [{share=0, loss='kl'}]", "share=0, allowed are"),
        ("phases = [{share=nan, loss='kl'}]", "share=nan is not finite"),
        ("phases = [{share=0.5, loss='kl'}]", "sum to 0.5"),
        ("order = 'epoch'\nbatches_per_epoch = 3", "batches_per_epoch=3 does not go with"),
        ("order = ['pool']", "order=.*allowed are pool"),
        ("smoothing = 1.0", "smoothing"),
        ("ema = -0.1", "ema"),
        ("ema = nan", "ema"),
        ("learning_rate = 0", "learning_rate"),
        ("learning_rate = nan", "learning_rate"),
        ("learning_rate = 'x'", "is not of type float"),
        ("stretch = inf", "stretch=inf is not finite"),
        ("temperature = nan", "first=nan is not finite"),
        ("[temperature]\nfactor = inf", "factor=inf is not finite"),
        ("weight_decay = -1", "weight_decay"),
        ("momentum = -1", "momentum"),
        ("warmup = -1", "warmup"),
        ("micro_batch = 0", "micro_batch"),
        ("temperature = 'hot'", "temperature must be"),
        ("temperature = 0", "temperature"),
        ("[temperature]\nkind = 'linear'", "kind='linear'"),
        ("[temperature]\nslope = 1", "unknown setting 'slope'"),
        ("[temperature]\nlast = 21", "last=21"),
    ],
)
def test_mistakes(tmp_path, text: str, problem: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_recipe(str(tmp_path / "own.toml"))


@pytest.mark.parametrize("name", ["nothing", "missing.toml", "../recipes/cifar10"])
def test_no_such_recipe(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load_recipe(name)

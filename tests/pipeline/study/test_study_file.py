from __future__ import annotations

from pathlib import Path

import pytest

from labelcodec.errors import ConfigError
from labelcodec.pipeline.study.cells import cells_of
from labelcodec.pipeline.study.study_file import load_study, study_names, study_of

FILE = """
about = "Two codecs"
codec = "topk:k=3"
[teacher]
model = "resnet20"
weights = "w.pt"
[data]
train = "/data/train"
[train]
recipe = "own.toml"
[diversity]
[grid]
"relabel.keep" = [1.0, 0.5]
train.temperature = [2.0, {kind = "step", first = 8.0}]
relabel.scale = [0.5, 1.0]
seed = [0, 1]
"""
RECIPE = 'model = "convnet"\nepochs = 7\n'


def test_paths_of_a_file_are_relative_to_it(tmp_path) -> None:
    (tmp_path / "own.toml").write_text(RECIPE)
    (tmp_path / "two.toml").write_text(FILE)
    study = load_study(str(tmp_path / "two.toml"))
    assert (study.name, study.about) == ("two", "Two codecs")
    cells = cells_of(study)
    settings = cells[0].settings
    assert settings.teacher.weights == str(tmp_path / "w.pt")
    assert (settings.teacher.model, settings.data.train) == ("resnet20", "/data/train")
    assert (settings.train.model, settings.epochs, settings.codec) == ("convnet", 7, "topk:k=3")
    assert settings.diversity is not None and settings.recover is None
    assert len(cells) == 8
    assert [cell.settings.seed for cell in cells[:3]] == [0, 1, 0]
    assert cells[0].settings.train.temperature.kind == "constant"
    assert cells[2].settings.train.temperature.first == 8.0
    assert {cell.settings.relabel.scale for cell in cells} == {(0.5, 1.0)}
    assert set(cells[0].varying) == {"relabel.keep", "train.temperature"}


def test_changes_replace_what_the_study_says(tmp_path) -> None:
    (tmp_path / "two.toml").write_text(FILE.replace('"own.toml"', '"cifar10"'))
    changes = {"seed": 5, "codec": ["dense", "topk:k=1"], "train.epochs": 3}
    cells = cells_of(load_study(str(tmp_path / "two.toml"), changes))
    assert len(cells) == 8
    assert {cell.settings.seed for cell in cells} == {5}
    assert {cell.settings.codec for cell in cells} == {"dense", "topk:k=1"}
    assert {cell.settings.epochs for cell in cells} == {3}
    rows = {"rows": [{"name": "a", "codec": "dense"}, {"name": "b", "codec": "topk:k=2"}]}
    changed = cells_of(study_of(rows, "s", Path(), {"codec": "topk:k=4"}))
    assert [cell.settings.codec for cell in changed] == ["topk:k=4"] * 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[relabel]\nkep = 1", "unknown setting 'relabel.kep'; there are relabel.epochs, relabel."),
        ("[rellabel]\nkeep = 1", "unknown setting 'rellabel.keep'; there are teacher, data,"),
        ("[grid]\ncodecs = ['dense']", "grid: unknown setting 'codecs'"),
        ("[grid]\n'train.lr' = [1]", "unknown setting 'train.lr'; there are train.recipe, train"),
        ("[grid]\ncodec = []", "grid: codec has no values"),
        ("[[rows]]\ncodec = 'dense'", "every row needs a name of its own, and one has None"),
        ("[[rows]]\nname = 'a'\n[[rows]]\nname = 'a'", "every row needs a name of its own"),
        ("[[rows]]\nname = 'a'\ncoddec = 'dense'", "row 'a': unknown setting 'coddec'"),
        ("grid = 1", "grid is a table"),
        ("about =", "not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path, text: str, problem: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_study(str(tmp_path / "s.toml"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[grid]\ncodec = ['topk:k=0']", "s: topk: k=0, allowed are 1 and more"),
        ("[train]\ntemperature.kind = 'no'", "s: train: lpqld-in1k: kind='no'"),
        ("[train]\nrecipe = 'no'", "s: train: unknown recipe 'no'"),
        ("seed = -1", "s: seed=-1 is not a whole number"),
        ("[[rows]]\nname = 'a'\n'relabel.keep' = 2", "s: row 'a': relabel: `keep` is 2"),
        ("[grid]\nseed = [1, 1]", "s: there are 2 cells seed=1"),
    ],
)
def test_values_are_checked_before_anything_is_computed(tmp_path, text: str, problem: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    study = load_study(str(tmp_path / "s.toml"))
    with pytest.raises(ConfigError, match=problem):
        cells_of(study)


def test_unknown_studies_are_told_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="unknown study 'ablations'; there are ablation-cifar10"):
        load_study("ablations")
    with pytest.raises(ConfigError, match=r"nowhere\.toml: no such study file"):
        load_study("nowhere.toml")
    assert study_names() == sorted(study_names())

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from labelcodec.errors import ConfigError, MismatchError
from labelcodec.pipeline.study import sources
from labelcodec.pipeline.study.cells import cells_of
from labelcodec.pipeline.study.stages import CellStages, stages_of
from tests.pipeline import scene
from tests.pipeline.study.small_study import folders, study

ORDER = ("statistics", "images", "labels", "runs", "scores")


def stages(tables: dict[str, Any], changes: dict[str, Any] | None = None) -> CellStages:
    (cell,) = cells_of(study(tables, changes=changes))
    return stages_of(cell)


def keys(made: CellStages) -> dict[str, str]:
    """Kind -> key of its last stage."""
    return {stage.kind: stage.key for stage in made.all}


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"squeeze.seed": 1}, "statistics"),
        ({"recover.iterations": 3}, "images"),
        ({"recover.seed": 1}, "images"),
        ({"relabel.keep": 0.5}, "labels"),
        ({"relabel.epochs": 3}, "labels"),
        ({"train.epochs": 3}, "labels"),  # the labels are for as many epochs
        ({"codec": "topk:k=2"}, "labels"),
        ({"relabel.space": "probabilities"}, "labels"),
        ({"train.learning_rate": 0.5}, "runs"),
        ({"train.temperature.last": 1.5}, "runs"),
        ({"seed": 1}, "runs"),
        ({"data.resize": True}, "scores"),
    ],
)
def test_a_change_makes_new_what_depends_on_it_and_nothing_else(tables, change, first) -> None:
    before, after = keys(stages(tables)), keys(stages(tables, change))
    assert list(before) == list(ORDER)
    for kind in ORDER:
        assert (before[kind] == after[kind]) == (ORDER.index(kind) < ORDER.index(first)), kind


def test_saying_a_default_changes_nothing(tables) -> None:
    said = {"recover.alpha": 0.01, "relabel.seed": 0, "train.stretch": 1, "codec": "dense"}
    said |= {"relabel.epochs": 2}
    assert keys(stages(tables)) == keys(stages(tables, said))


def test_settings_that_later_versions_add_change_no_digest(tables) -> None:
    (run,) = (stage for stage in stages(tables).all if stage.kind == "runs")
    assert run.depends == {
        "recipe": {"model": scene.SMALL, "epochs": 2, "learning_rate": 0.01}, "seed": 0,
    }  # fmt: skip


def test_codecs_share_the_labels_that_they_encode(tables) -> None:
    dense, top = stages(tables), stages(tables, {"codec": "topk:k=2"})
    assert top.labels.inputs["labels"].key == dense.labels.key
    given = {"relabel.space": "probabilities", "codec": "topk:k=2"}
    both = stages(tables, given).labels
    assert both.inputs["labels"].inputs["labels"].key == dense.labels.key
    assert len(stages(tables, given).all) == len(dense.all) + 2


def test_methods_share_what_they_need(tables) -> None:
    lpld, sre2l = stages(tables), stages(tables, {"recover.method": "sre2l"})
    assert "statistics" in keys(lpld) and "statistics" not in keys(sre2l)
    assert "statistics" not in keys(stages(tables, {"recover.method": "classwise"}))
    images = {"recover.init": "images", "recover.iterations": 0}
    assert "statistics" not in keys(stages(tables, images))
    compared = stages({**tables, "diversity": {}})
    assert compared.diversity is not None and compared.scores.key == lpld.scores.key
    assert compared.key != lpld.key


def test_teachers_and_images_are_known_by_their_content(tmp_path) -> None:
    tables = folders(tmp_path)
    first = keys(stages(tables))
    (tmp_path / "train").rename(tmp_path / "moved")
    sources.folder_facts.cache_clear()
    moved = {"data.train": str(tmp_path / "moved")}
    assert keys(stages(tables, moved)) == first
    Image.new("RGB", (scene.SIDE, scene.SIDE)).save(tmp_path / "moved/class00/000.png")
    sources.folder_facts.cache_clear()
    assert keys(stages(tables, moved))["statistics"] != first["statistics"]
    weights = tmp_path / "teacher.safetensors"
    weights.write_bytes(weights.read_bytes() + b"\0")
    sources.file_digest.cache_clear()
    later = keys(stages(tables, {**moved, "recover.method": "sre2l"}))
    assert later["images"] != first["images"]


@pytest.mark.parametrize(
    ("change", "error", "problem"),
    [
        ({"teacher.model": "none"}, ConfigError, "the study does not say teacher.model"),
        ({"data.test": "none"}, ConfigError, "the study does not say data.test"),
        ({"data.train": "nowhere"}, MismatchError, "nowhere: no such image folder"),
        ({"teacher.weights": "no.pt"}, MismatchError, "no.pt: no such file"),
    ],
)
def test_what_is_missing_is_named(tables, change, error, problem: str) -> None:
    with pytest.raises(error, match=problem):
        stages(tables, change)

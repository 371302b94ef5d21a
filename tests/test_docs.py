"""The pages in docs/ hold what the program does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from cli import dump_options
from labelcodec import losses
from labelcodec.formats import LAYOUTS
from labelcodec.images import SOURCES
from labelcodec.images.registry import TENSOR_FILES
from labelcodec.images.webdataset import JSON_KEYS as KEYS
from labelcodec.pipeline.study.cells import cells_of
from labelcodec.pipeline.study.study_file import study_names, study_of
from labelcodec.pipeline.study.tables import TABLES, keys_of
from labelcodec.pipeline.training_recipe import TrainingRecipe

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "layouts.md").read_text()


def test_losses_and_settings_of_training_are_listed() -> None:
    page = (ROOT / "docs" / "training.md").read_text()
    listed = set(re.findall(r"^\| `(\w+)\(", page, re.MULTILINE))
    assert listed == set(losses.__all__) - {"Phase"}
    for name in ("precision", "compile", "clip", "micro_batch"):
        assert f"| `{name}` |" in page and name in TrainingRecipe().to_map()


def test_every_layout_and_option_is_listed() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(LAYOUTS.names())
    listed = set(re.findall(r"^\| `--([a-z-]+)", PAGE, re.MULTILINE))
    assert listed == {name.replace("_", "-") for name in dump_options.OF_DUMPS}


def test_every_kind_of_image_source_is_listed() -> None:
    page = (ROOT / "docs" / "images.md").read_text()
    first = page.split("## ")[0]
    listed = re.findall(r"^\| ([a-z ]+) \|", first, re.MULTILINE)[1:]
    assert sorted(listed) == sorted(row.name for row in SOURCES)
    for suffix in TENSOR_FILES:
        assert f"`{suffix}`" in first
    assert all(f"`{name}`" in page for name in ("labels", "targets", "y", *KEYS))


def test_studies_and_their_settings_are_listed() -> None:
    page = (ROOT / "docs" / "studies.md").read_text()
    built_in, own = page.split("## A study of your own")
    assert set(re.findall(r"^\| `([\w-]+)`", built_in, re.MULTILINE)) == set(study_names())
    for table, names in re.findall(r"^\| `(\w+)` \| (.*) \|$", own, re.MULTILINE):
        if table in TABLES and table != "train":
            assert re.findall(r"`(\w+)`", names) == keys_of(table)
    (text,) = re.findall(r"```toml\n(.*?)```", own, re.DOTALL)
    study = study_of(tomllib.loads(text), "own", Path())
    cells = cells_of(study)
    assert len(cells) == 2 * 2 * 3 * 3
    assert [cells[0].settings.train.calibrated, cells[-1].settings.train.calibrated] == [
        False,
        True,
    ]

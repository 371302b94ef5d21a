"""The pages in docs/ hold what the program does."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

import labelcodec
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
from tests.cli.call import FIXTURE, call
from tests.remote.server import Web, serving

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "layouts.md").read_text()


def test_own_labels_are_stored_as_the_example_says(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "layouts.md", "exec"), names)
    assert labelcodec.verify("mine.slc").sound
    with labelcodec.open("mine.slc") as reader:
        batch = reader[5]
        assert (len(reader), batch.epoch, batch.image_index.tolist()) == (6, 2, [*range(32, 64)])
        assert batch.augmentation.mix.partner.tolist() == names["partner"].tolist()
        assert batch.augmentation.mix.box == (4, 20, 8, 24)
        assert (batch.augmentation.crop.box == names["boxes"]).all()
        assert (batch.labels.value == names["logits"]).all()


def test_training_runs_as_its_page_says(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("labels.slc", "images"):
        Path(name).symlink_to(ROOT / "examples/cifar10-ipc10" / name)
    page = (ROOT / "docs" / "training.md").read_text()
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(code, "training.md", "exec"), names)
    batch = names["batch"]
    assert (batch.images.shape[1:], batch.labels.classes) == ((3, 32, 32), 10)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["0", "1"]
    listed = set(re.findall(r"^\| `(\w+)\(", page, re.MULTILINE))
    assert listed == set(losses.__all__) - {"Phase"}
    for name in ("precision", "compile", "clip", "micro_batch"):
        assert f"| `{name}` |" in page and name in TrainingRecipe().to_map()


def test_tokens_are_stored_and_trained_on_as_their_page_says(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "tokens.md").read_text()
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(code, "tokens.md", "exec"), names)
    with labelcodec.open("tokens.slc") as reader, labelcodec.open("sampled.slc") as sampled:
        assert int(reader.index.samples.sum()) == int(sampled.index.samples.sum()) == 200
        assert sampled.header.kind == "tokens"
        assert (sampled[1].sequences.digest == reader[1].sequences.digest).all()
    assert names["head"].weight.grad.abs().sum() > 0


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


def test_labels_elsewhere_are_read_as_their_page_says(tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELCODEC_CACHE", str(tmp_path / "cache"))
    labelcodec.encode(FIXTURE, "labels.slc")
    page = (ROOT / "docs" / "remote.md").read_text()
    names: dict[str, object] = {}
    with serving(Web({"/labels.slc": Path("labels.slc").read_bytes()})) as web:
        page = page.replace("https://example.org", web.url)
        for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
            exec(compile(code, "remote.md", "exec"), names)
        assert names["batch"].number == names["same"][0].number == 0
        (commands,) = re.findall(r"```\n(labelcodec .*?)```", page, re.DOTALL)
        for line in commands.splitlines():
            assert call(capsys, *shlex.split(line)[1:]).status == 0
    assert list((tmp_path / "cache").glob("*/*.blocks")) and Path("copy").is_dir()

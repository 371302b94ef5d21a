"""Pages of docs/ are run as they are written; commands of the others have options that exist."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelcodec
from labelcodec_cli.main import COMMANDS
from tests import notebooks
from tests.cli.call import FIXTURE, call

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
UPLOADS = ("push", "--dry-run")  # without the second, labels would go to the Hub


def blocks(page: str) -> Iterator[tuple[str, str]]:
    yield from BLOCK.findall((DOCS / page).read_text())


def commands(block: str) -> Iterator[list[str]]:
    """Arguments of the lines that call the program."""
    for line in block.replace("\\\n", " ").splitlines():
        if line.startswith("labelcodec "):
            yield shlex.split(line, comments=True)[1:]


def dumped(folder: Path) -> None:
    """A dump of real labels of ImageNet-1K."""
    shutil.copytree(FIXTURE, folder / "dump")
    shutil.copy(FIXTURE / "image_order.json", folder)


def shrunk(folder: Path) -> None:
    """Full labels of few classes, which a lossy codec is fitted to in a moment."""
    rng = np.random.default_rng(0)
    header = labelcodec.Header(classes=12, license="CC0-1.0")
    with labelcodec.Writer(folder / "labels.slc", header, "dense") as writer:
        for number in range(4):
            logits = (rng.normal(size=(64, 3)) @ rng.normal(size=(3, 12))).astype(np.float16)
            labels = labelcodec.Labels(12, logits)
            augmentation = labelcodec.Augmentation()
            writer.add(labelcodec.LabelBatch(number, 0, np.arange(64), augmentation, labels))
    shutil.copy(folder / "labels.slc", folder / "full.slc")


def published(folder: Path) -> None:
    """Labels to publish, and a dump of somebody else's."""
    shrunk(folder)
    dumped(folder)
    (folder / "dump").rename(folder / "theirs")


def nothing(folder: Path) -> None:
    pass


def golden(folder: Path) -> None:
    """The golden files, where they are in the repository."""
    (folder / "spec").symlink_to(DOCS.parent / "spec")


PAGES: dict[str, Callable[[Path], None]] = {
    "index.md": shrunk,
    "start.md": nothing,
    "convert.md": dumped,
    "choosing.md": shrunk,
    "planning.md": nothing,
    "publishing.md": published,
    "readers.md": golden,
}


@pytest.mark.parametrize("page", PAGES)
def test_the_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch, capsys):
    PAGES[page](tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    ran = 0
    for language, block in blocks(page):
        if language == "python" and "hf://" not in block:
            exec(compile(block, page, "exec"), names)
            ran += 1
        for arguments in commands(block) if not language else ():
            if arguments[0] == UPLOADS[0] and UPLOADS[1] not in arguments:
                continue
            outcome = call(capsys, *arguments)
            is_fine = outcome.status == 0 or (arguments[0] == "compare" and outcome.status == 1)
            assert is_fine and "rror" not in outcome.err, (arguments, outcome.err)
            ran += 1
    assert ran


def test_get_started_makes_what_it_says(tmp_path, monkeypatch, capsys):
    """The teacher knows its classes, and the page's loop trained its student."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for language, block in blocks("start.md"):
        if language == "python":
            exec(compile(block, "start.md", "exec"), names)
        for arguments in commands(block) if not language else ():
            outcome = call(capsys, *arguments)
            if arguments[0] == "relabel":
                assert "96 labels in 12 batches" in outcome.out
                assert "near chance" not in outcome.err
    assert Image.open("sheet.png").width > 100
    assert float(names["loss"].detach()) < 2


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_commands_have_the_options_that_pages_give_them(page):
    for _, block in blocks(page):
        for name, *arguments in commands(block):
            known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
            passed = {word.partition("=")[0] for word in arguments if re.match("--[a-z]", word)}
            assert passed <= known, (page, name, passed - known)


def test_every_page_is_in_the_site():
    navigation = (DOCS.parent / "mkdocs.yml").read_text()
    for path in DOCS.rglob("*.md"):
        assert f": {path.relative_to(DOCS)}\n" in navigation, path


def test_links_between_pages_lead_somewhere():
    for path in DOCS.glob("*.md"):
        for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", path.read_text()):
            assert (path.parent / target).exists(), (path.name, target)


@pytest.mark.parametrize("path", sorted(DOCS.glob("notebooks/*.ipynb")), ids=lambda p: p.stem)
def test_notebooks_print_what_is_stored(path, monkeypatch):
    """The numbers, as far as machines agree: no more than three digits of them."""
    monkeypatch.chdir(DOCS.parent)
    stored = json.loads(path.read_text())
    for old, new in zip(stored["cells"], notebooks.run(stored, path.name)["cells"], strict=True):
        for left, right in zip(old.get("outputs", ()), new.get("outputs", ()), strict=True):
            texts = ["".join(o.get("text") or o["data"]["text/plain"]) for o in (left, right)]
            numbers = [[float(n) for n in re.findall(r"-?\d+\.?\d*", text)] for text in texts]
            assert numbers[0] == pytest.approx(numbers[1], rel=5e-3, abs=2e-3), texts

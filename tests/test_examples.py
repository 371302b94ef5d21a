"""The distilled set in examples/ is complete and fits its labels."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import labelcodec
from labelcodec.images import list_images
from labelcodec.replay import ReplayDataset
from labelcodec_cli.main import COMMANDS

SET = Path(__file__).parents[1] / "examples" / "cifar10-ipc10"


def test_labels_and_images_of_the_distilled_set_belong_together() -> None:
    listing = list_images(SET / "images")
    run = json.loads((SET / "images/recipe.json").read_text())["run"]
    assert list(listing.classes) == run["class_names"]
    assert len(listing) == 10 * run["settings"]["ipc"] == 100
    dataset = ReplayDataset(SET / "labels.slc", SET / "images")
    assert (dataset.classes, dataset.size) == (10, (32, 32))
    batch = dataset[0]
    assert batch.images.shape == (20, 3, 32, 32)
    with labelcodec.open(SET / "labels.slc") as reader:
        assert int(reader.index.samples.sum()) == 3000
        assert reader.header.teacher["sha256"] == run["teacher"]["sha256"]
        assert reader.header.normalisation == run["normalisation"]
        assert reader.header.agreement.share > 0.3  # mixed images; by chance it is 0.1


def test_the_distilled_set_takes_what_its_page_says() -> None:
    text = (SET / "README.md").read_text()
    images = sum(path.stat().st_size for path in (SET / "images").rglob("*.jpg"))
    labels = (SET / "labels.slc").stat().st_size
    assert f"Images take {images / 1000:.0f} kB, labels {labels / 1000:.0f} kB" in text
    assert images + labels < 2_000_000


def test_commands_of_the_page_are_real_commands() -> None:
    blocks = re.findall(r"```\n(.*?)```", (SET / "README.md").read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    assert len(lines) == 4
    for line in lines:
        _, name, *args = shlex.split(line)
        COMMANDS[name].make_context(name, args)

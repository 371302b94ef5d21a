"""The command `replay`, and pages of `inspect`."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from tests.cli.call import call
from tests.preview.scene import Page, check_is_self_contained, labelled
from tests.replay import scene


@pytest.fixture
def work(tmp_path, monkeypatch) -> None:
    labelled(tmp_path)
    monkeypatch.chdir(tmp_path)


def test_a_picture_and_a_page(capsys, work) -> None:
    done = call(capsys, "replay", "a.slc", "images", "--out", "sheet.png")
    assert done.out == "sheet.png: 4 of 4 samples of batch 3\n" and Image.open("sheet.png").size
    done = call(capsys, "replay", "a.slc", "images", "--samples", 2, "--out", "a.html", "--json")
    assert done.json() == {"file": "a.html", "batch": 3, "epoch": 0, "samples": 2}
    with open("a.html") as file:
        page = Page(file.read())
    check_is_self_contained(page)
    assert len(page.all("article")) == 2


def test_what_is_refused(capsys, work, tmp_path) -> None:
    for out, words in (("sheet.gif", "ends with .png or .html"), ("a.slc", "ends with .png")):
        done = call(capsys, "replay", "a.slc", "images", "--out", out, "--force")
        assert done.status == 2 and words in done.err
    done = call(capsys, "replay", "a.slc", "images", "--batch", 1, "--out", "a.png")
    assert done.status == 2 and "there are 1 batches" in done.err
    (tmp_path / "a.png").write_text("mine")
    done = call(capsys, "replay", "a.slc", "images", "--out", "a.png")
    assert done.status == 1 and (tmp_path / "a.png").read_text() == "mine"
    assert call(capsys, "replay", "a.slc", "images", "--out", "a.png", "--force").status == 0
    done = call(capsys, "replay", "a.slc", scene.folder(tmp_path / "b", 3), "--out", "b.png")
    assert done.status == 1 and "not the folder of" in done.err and not os.path.exists("b.png")


def test_labels_that_do_not_say_how_images_were_normalised(capsys, tmp_path, monkeypatch) -> None:
    labelled(tmp_path / "x")
    monkeypatch.chdir(tmp_path)
    scene.write(tmp_path / "a.slc", [scene.batch(0, [1, 5])], normalisation=None, image_size=None)
    done = call(capsys, "replay", "a.slc", "x/images", "--out", "a.png")
    assert done.status == 1 and "--image-size" in done.err
    done = call(capsys, "replay", "a.slc", "x/images", "--image-size", 8, "--out", "a.png")
    assert done.status == 0, done.err


def test_inspect_writes_a_page(capsys, work, tmp_path) -> None:
    plain = call(capsys, "inspect", "a.slc").out
    assert call(capsys, "inspect", "a.slc", "--html", "a.html").out == plain
    page = Page((tmp_path / "a.html").read_text())
    check_is_self_contained(page)
    assert len(page.all("article")) == 4
    done = call(capsys, "inspect", "a.slc", "--html", "a.slc")
    assert done.status == 2 and "ends with .html" in done.err
    done = call(capsys, "inspect", "a.slc", "--batch", 0, "--html", "a.html", "--json")
    assert json.loads(done.out)["batch"]["samples"] == 4
    assert np.all([a["role"] == "img" for a in page.all("svg")])

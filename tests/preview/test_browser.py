"""The pages in a browser, where there is one: what it makes of them, and what it asks for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelcodec
from labelcodec.preview.inspect_page import write_inspection
from labelcodec.preview.page import batch_section, write_page
from labelcodec.preview.replayed import view_replayed
from tests.preview.scene import Page, labelled, with_hostile_names

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


def browse(page: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the browser on a page, without a network of its own."""
    assert BROWSER is not None
    profile = page.parent / "profile"
    command = [BROWSER, "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
               "--disable-background-networking", "--proxy-server=127.0.0.1:9",
               f"--user-data-dir={profile}", "--window-size=1500,900", *more]  # fmt: skip
    if os.geteuid() == 0:
        command.append("--no-sandbox")
    return subprocess.run(
        [*command, page.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )


def test_a_browser_shows_boxes_and_pictures(tmp_path) -> None:
    view = view_replayed(labelled(tmp_path), 0, 4)
    write_page(tmp_path / "a.html", "a.slc", [batch_section(view)])
    browse(tmp_path / "a.html", f"--screenshot={tmp_path / 'shot.png'}")
    shot = np.asarray(Image.open(tmp_path / "shot.png").convert("RGB")).astype(int)
    assert ((np.abs(shot - [0xD6, 0x27, 0x28]) < 8).all(axis=2)).sum() > 200  # crops
    assert ((np.abs(shot - [0x1F, 0x77, 0xB4]) < 8).all(axis=2)).sum() > 200  # pasted boxes
    for sample in view.samples:
        level = int(sample.original[0, 0, 0])
        assert (shot == level).all(axis=2).sum() > 1000


def test_a_browser_runs_nothing_of_a_hostile_file(tmp_path) -> None:
    """The tree that the browser built has no element that the page does not write."""
    path = with_hostile_names(tmp_path)
    with labelcodec.open(path) as reader:
        write_inspection(reader, 0, 4, tmp_path / "a.html")
    written = (tmp_path / "a.html").read_text()
    tree = browse(tmp_path / "a.html", "--dump-dom", "--virtual-time-budget=2000").stdout
    theirs = [tag for tag, _ in Page(tree).elements if tag != "tbody"]
    assert theirs == [tag for tag, _ in Page(written).elements]
    assert "<title>a.slc</title>" in tree

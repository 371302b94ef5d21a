from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from labelcodec.analysis.breakdown import Breakdown
from labelcodec.analysis.fidelity import Fidelity
from labelcodec.analysis.plot import check_target, plot_breakdowns
from labelcodec.codecs.components import COLOURS, COMPONENTS
from labelcodec.errors import ConfigError

COMPONENT_BYTES = dict.fromkeys(COMPONENTS, 0) | {"crop": 34000, "label values": 560000}
FOUND = Breakdown(10_000, 80, 1000, 594_000, COMPONENT_BYTES, {}, 20_000_000, 20e6, 10.0, None)


def test_png_is_written(tmp_path) -> None:
    target = tmp_path / "stats.png"
    plot_breakdowns([("top-50", FOUND), ("pruned", replace(FOUND, pruning_factor=10.0))], target)
    assert target.read_bytes().startswith(b"\x89PNG")


def test_every_component_has_its_own_colour() -> None:
    assert set(COLOURS) == set(COMPONENTS)
    assert len(set(COLOURS.values())) == len(COMPONENTS)


def test_nothing_to_plot(tmp_path) -> None:
    with pytest.raises(ConfigError, match="no label"):
        plot_breakdowns([("empty", replace(FOUND, labels=0))], tmp_path / "stats.png")
    assert not list(tmp_path.iterdir())


def test_missing_matplotlib_says_how_to_get_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'labelcodec\[plot\]'"):
        plot_breakdowns([("a", FOUND)], tmp_path / "stats.png")
    with pytest.raises(ConfigError, match=r"pip install 'labelcodec\[plot\]'"):
        check_target(tmp_path / "stats.png")


def test_targets_that_can_be_drawn(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("stats.png", "STATS.PNG", str(tmp_path / "b.png")):
        check_target(Path(name))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stats.svg", "ends in .png"),
        ("stats", "ends in .png"),
        ("absent/stats.png", "absent: no such folder"),
        ("folder.png", "a folder"),
    ],
)
def test_targets_that_cannot_be_drawn(tmp_path, name: str, message: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ConfigError, match=message):
        check_target(tmp_path / name)


def test_a_target_that_may_not_be_written(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(ConfigError, match="not allowed"):
        check_target(tmp_path / "stats.png")
    (tmp_path / "stats.png").touch()
    check_target(tmp_path / "stats.png")


def test_source_and_fidelity_are_drawn_beside(tmp_path) -> None:
    tv = dict.fromkeys((1.0, 2.0, 4.0, 20.0), 0.1)
    measured = Fidelity(10, tv, tv, tv, tv, 0, 0.9, None, 0)
    sizes = []
    for number, fidelity in enumerate((None, {"top-50": measured})):
        target = tmp_path / f"{number}.png"
        plot_breakdowns([("top-50", FOUND), ("other", FOUND)], target, fidelity)
        with Image.open(target) as image:
            sizes.append(image.width)
    assert sizes[1] > sizes[0]  # a panel more
    plot_breakdowns([("no source", replace(FOUND, source_bytes=None))], tmp_path / "a.png")

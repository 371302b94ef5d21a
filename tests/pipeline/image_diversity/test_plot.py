"""Plots of diversity reports."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from labelcodec.errors import ConfigError
from labelcodec.pipeline.image_diversity.measurement import DiversityReport, Similarity
from labelcodec.pipeline.image_diversity.mmd import Discrepancy
from labelcodec.pipeline.image_diversity.plot import _names, plot_diversity

FIRST = Similarity(Path("a/train"), 9, {"cat": 0.7, "dog": 0.6}, 0)
SECOND = Similarity(Path("b/train"), 2, {}, 2)
REPORT = DiversityReport("m", "fc", 64, (FIRST, SECOND), Discrepancy(0.6, 0.7, 0.5, 8.0))


def width(report: DiversityReport, folder: Path) -> int:
    target = folder / "diversity.png"
    plot_diversity(report, target)
    with Image.open(target) as image:
        assert image.format == "PNG"
        return image.width


def test_a_panel_for_each_measure(tmp_path) -> None:
    alone = replace(REPORT, similarities=(FIRST,), mmd=None)
    only_mmd = replace(REPORT, similarities=(SECOND, SECOND))
    assert width(alone, tmp_path) == width(only_mmd, tmp_path) < width(REPORT, tmp_path)


def test_folders_are_told_apart() -> None:
    assert _names(REPORT) == ["a/train", "b/train"]
    assert _names(
        replace(REPORT, similarities=(FIRST, replace(SECOND, folder=Path("b/real"))))
    ) == [
        "train",
        "real",
    ]
    assert _names(replace(REPORT, similarities=(replace(FIRST, folder=Path()),))) == ["."]


def test_nothing_to_plot(tmp_path, monkeypatch) -> None:
    with pytest.raises(ConfigError, match="nothing to plot"):
        plot_diversity(replace(REPORT, similarities=(SECOND,), mmd=None), tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'labelcodec\[plot\]'"):
        plot_diversity(REPORT, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())

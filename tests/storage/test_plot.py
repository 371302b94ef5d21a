from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from labelcodec.codecs.streams import COMPONENTS
from labelcodec.errors import ConfigError
from labelcodec.storage.breakdown import Breakdown
from labelcodec.storage.plot import _COLOURS, plot

COMPONENT_BYTES = dict.fromkeys(COMPONENTS, 0) | {"crop": 34000, "label values": 560000}
FOUND = Breakdown(10_000, 80, 1000, 594_000, COMPONENT_BYTES, {}, 20_000_000, 20e6, 10.0, None)


def test_png_is_written(tmp_path) -> None:
    target = tmp_path / "stats.png"
    plot([("top-50", FOUND), ("pruned", replace(FOUND, pruning_factor=10.0))], target)
    assert target.read_bytes().startswith(b"\x89PNG")


def test_every_component_has_its_own_colour() -> None:
    assert set(_COLOURS) == set(COMPONENTS)
    assert len(set(_COLOURS.values())) == len(COMPONENTS)


def test_nothing_to_plot(tmp_path) -> None:
    with pytest.raises(ConfigError, match="no label"):
        plot([("empty", replace(FOUND, labels=0))], tmp_path / "stats.png")
    assert not list(tmp_path.iterdir())


def test_missing_matplotlib_says_how_to_get_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'labelcodec\[plot\]'"):
        plot([("a", FOUND)], tmp_path / "stats.png")

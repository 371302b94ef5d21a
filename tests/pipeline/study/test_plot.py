from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labelcodec.errors import ConfigError
from labelcodec.pipeline.study import plot
from labelcodec.pipeline.study.results import FIGURES, Summary
from labelcodec.pipeline.study.study_file import study_of

STUDY = study_of({"about": "Codecs"}, "s", Path())


def summary(row: str, codec: str, size: float, top1: float, pareto: bool = False) -> Summary:
    mean = dict.fromkeys(FIGURES) | {"labels_bytes": size, "top1": top1}
    error = dict.fromkeys(FIGURES) | {"top1": 0.01}
    settings = {"codec": codec, "train.model": "convnet"}
    return Summary(row, settings, codec, 1.0, "convnet", 3, mean, error, pareto)


def axes_of(monkeypatch, summaries: list[Summary], target: Path):
    figures = []
    new = plot.new_figure
    monkeypatch.setattr(plot, "new_figure", lambda *size: figures.append(new(*size)) or figures[-1])
    plot.plot_summaries(STUDY, summaries, target)
    assert target.read_bytes().startswith(b"\x89PNG")
    return figures[0].axes[0]


def test_accuracy_against_storage_with_the_pareto_set(monkeypatch, tmp_path) -> None:
    axes = axes_of(
        monkeypatch,
        [
            summary("a", "dense", 1e6, 0.6, pareto=True),
            summary("a", "topk:k=2", 1e5, 0.4),
            summary("b", "topk:k=1", 1e4, 0.5, pareto=True),
        ],
        tmp_path / "p.png",
    )
    assert axes.get_xscale() == "log"
    line = next(line for line in axes.lines if line.get_label() == "Pareto set")
    assert line.get_xydata().tolist() == [[1e4, 50.0], [1e6, 60.0]]
    labels = [text for text in axes.get_legend_handles_labels()[1] if not text.startswith("_")]
    assert labels == ["Pareto set", "dense", "topk", "a, model convnet", "b, model convnet"]
    marks = [container.lines[0] for container in axes.containers]
    assert [mark.get_fillstyle() for mark in marks] == ["full", "none", "full"]
    assert marks[1].get_color() == marks[2].get_color() != marks[0].get_color()
    assert marks[0].get_marker() == marks[1].get_marker() != marks[2].get_marker()


def test_kept_shares_have_markers_if_there_are_enough() -> None:
    def group(count: int) -> list[str]:
        some = [summary("r", "dense", 1.0, 0.5) for _ in range(count)]
        keeps = [{"relabel.keep": i / 20, "codec": "dense"} for i in range(count)]
        return plot._groups(
            [replace(each, settings=own) for each, own in zip(some, keeps, strict=True)]
        )

    assert group(2) == ["r, keep 0.0", "r, keep 0.05"]
    assert set(group(20)) == {"r"}
    many = [
        replace(summary(f"r{i}", "dense", 1.0, 0.5), settings={"train.model": f"m{i % 2}"})
        for i in range(20)
    ]
    assert set(plot._groups(many)) == {"model m0", "model m1"}


def test_rows_where_storage_does_not_vary(monkeypatch, tmp_path) -> None:
    axes = axes_of(
        monkeypatch, [summary(row, "dense", 1e6, 0.6) for row in "ab"], tmp_path / "p.png"
    )
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "a, dense, convnet",
        "b, dense, convnet",
    ]
    assert axes.get_title(loc="left") == "Codecs"


def test_nothing_to_plot(tmp_path) -> None:
    with pytest.raises(ConfigError, match="no cell of the study is complete"):
        plot.plot_summaries(STUDY, [], tmp_path / "p.png")

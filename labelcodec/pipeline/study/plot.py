"""Plot of a study: accuracy against the storage of labels, or by row where it does not vary."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from labelcodec.analysis.plot import new_figure
from labelcodec.errors import ConfigError
from labelcodec.pipeline.study.results import Summary
from labelcodec.pipeline.study.study_file import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#1f4e79", "#c55a11", "#548235", "#7030a0", "#7f6000", "#7f7f7f")
_MARKERS = "osD^vPX*<>hp"
CODEC, KEEP = "codec", "relabel.keep"  # settings that the axis of bytes shows
ROW = "row"


def plot_summaries(study: Study, summaries: Sequence[Summary], target: Path) -> None:
    """Draw top-1 accuracy with its standard error, as a PNG.

    Where the bytes of the labels vary, they are the other axis: one colour per codec family, one
    marker per row or combination of the other settings, and a line through the Pareto set. Else
    there is a line per combination.

    Args:
        study: the study.
        summaries: what was measured.
        target: the PNG to write; an existing file is replaced.

    Raises:
        ConfigError: matplotlib is not installed, or there is no result.
        OSError: the file cannot be written.
    """
    if not summaries:
        raise ConfigError("there is nothing to plot: no cell of the study is complete")
    by_storage = len({summary.mean["labels_bytes"] for summary in summaries}) > 1
    figure = new_figure(10, 6 if by_storage else 1.6 + 0.35 * len(summaries))
    axes = figure.subplots()
    if by_storage:
        _against_storage(axes, summaries)
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    else:
        _by_row(axes, summaries)
    axes.set_title(study.about or study.name, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.savefig(target, format="png", dpi=150)


def _against_storage(axes: Axes, summaries: Sequence[Summary]) -> None:
    from matplotlib.ticker import EngFormatter

    families = list(dict.fromkeys(summary.codec.partition(":")[0] for summary in summaries))
    colours = dict(zip(families, cycle(_COLOURS)))
    group_of = _groups(summaries)
    groups = list(dict.fromkeys(group_of))
    markers = dict(zip(groups, cycle(_MARKERS)))
    name = "Pareto set"
    for common in dict.fromkeys(summary.comparable for summary in summaries):
        optimal = sorted(
            (_value(summary, "labels_bytes"), _accuracy(summary))
            for summary in summaries
            if summary.pareto and summary.comparable == common
        )
        axes.plot(*zip(*optimal, strict=True), color="#bfbfbf", linewidth=2, label=name)
        name = "_"  # in the legend once
    for summary, group in zip(summaries, group_of, strict=True):
        axes.errorbar(
            [_value(summary, "labels_bytes")],
            [_accuracy(summary)],
            [_error(summary)],
            color=colours[summary.codec.partition(":")[0]],
            marker=markers[group],
            fillstyle="full" if summary.pareto else "none",
            markersize=7,
            capsize=2,
            linestyle="",
        )
    for family in families:
        axes.plot([], [], color=colours[family], linewidth=4, label=family)
    for group in groups if len(groups) > 1 else ():
        axes.plot([], [], color="black", marker=markers[group], linestyle="", label=group)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter("B"))
    axes.set_xlabel("bytes of labels and augmentation on disk")
    axes.set_ylabel("top-1 accuracy, %")


def _by_row(axes: Axes, summaries: Sequence[Summary]) -> None:
    places = range(len(summaries))
    axes.errorbar(
        list(map(_accuracy, summaries)), places, xerr=list(map(_error, summaries)),
        color=_COLOURS[0], marker="o", linestyle="", capsize=3,
    )  # fmt: skip
    axes.set_yticks(places, [summary.title for summary in summaries])
    axes.invert_yaxis()
    axes.set_xlabel("top-1 accuracy, %")


def _groups(summaries: Sequence[Summary]) -> list[str]:
    """What each summary is, apart from what its place on the axis of bytes says.

    The kept share and the row are left out where there are not enough markers to tell them.
    """
    for left_out in ((CODEC,), (CODEC, KEEP), (CODEC, KEEP, ROW)):
        groups = [_group(summary, left_out) for summary in summaries]
        if len(set(groups)) <= len(_MARKERS):
            break
    return groups


def _group(summary: Summary, left_out: Sequence[str]) -> str:
    parts = [summary.row] if summary.row is not None and ROW not in left_out else []
    parts += [
        f"{key.rpartition('.')[2]} {value}"
        for key, value in summary.settings.items()
        if key not in left_out
    ]
    return ", ".join(parts)


def _accuracy(summary: Summary) -> float:
    return 100 * _value(summary, "top1")


def _error(summary: Summary) -> float:
    return 100 * (summary.standard_error["top1"] or 0.0)


def _value(summary: Summary, name: str) -> float:
    value = summary.mean[name]
    assert value is not None
    return value

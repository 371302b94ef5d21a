"""Plot of student accuracy against bytes per label."""

from __future__ import annotations

from pathlib import Path

from labelcodec.analysis.plot import new_figure
from labelcodec.demo.whole_path import Students


def plot(students: Students, target: Path) -> None:
    """Plot each codec's student accuracy against its bytes per label, as a PNG.

    Args:
        students: results of the demo.
        target: the PNG to write; an existing file is replaced.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    figure = new_figure(7, 4.4)
    axes = figure.subplots()
    for outcome in students.outcomes:
        x, y = outcome.storage.bytes_per_label, 100 * outcome.top1
        axes.semilogx([x], [y], "o", color="#1f4e79", markersize=8)
        axes.annotate(outcome.codec, (x, y), (0, 9), textcoords="offset points", ha="center")
    axes.axhline(100 * students.teacher, color="#c55a11", linestyle="--", linewidth=1)
    axes.annotate(
        "teacher",
        (0, 100 * students.teacher),
        (4, 4),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        color="#c55a11",
    )
    axes.set_title("Student accuracy by size of the labels", loc="left", fontsize=11)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("bytes per label, whole file")
    axes.set_ylabel("student top-1, %")
    axes.margins(x=0.18, y=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.savefig(target, format="png", dpi=150)

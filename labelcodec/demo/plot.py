"""Accuracy against bytes as a picture."""

from __future__ import annotations

from pathlib import Path

from labelcodec.demo.path import Students
from labelcodec.storage.plot import blank


def plot(found: Students, target: Path) -> None:
    """Draw what each codec's student learnt against what its labels take, as a PNG.

    Args:
        found: the students.
        target: the PNG to write; an existing one is replaced.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    figure = blank(7, 4.4)
    axes = figure.subplots()
    for one in found.outcomes:
        x, y = one.storage.bytes_per_label, 100 * one.top1
        axes.semilogx([x], [y], "o", color="#1f4e79", markersize=8)
        axes.annotate(one.codec, (x, y), (0, 9), textcoords="offset points", ha="center")
    axes.axhline(100 * found.teacher, color="#c55a11", linestyle="--", linewidth=1)
    axes.annotate(
        "teacher",
        (0, 100 * found.teacher),
        (4, 4),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        color="#c55a11",
    )
    axes.set_title("What students learn from labels of so many bytes", loc="left", fontsize=11)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("bytes per label, whole file")
    axes.set_ylabel("student top-1, %")
    axes.margins(x=0.18, y=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.savefig(target, format="png", dpi=150)

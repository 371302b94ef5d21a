"""Plot of size breakdowns and compression rates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelcodec.analysis.breakdown import Breakdown
from labelcodec.codecs.components import (
    COLOURS,
    COMPONENTS,
    LABEL_INDEX,
    LABEL_VALUES,
    SIDE_INFORMATION,
)
from labelcodec.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Order of the bars from left to right: labels and side information, then the other components.
_FIRST = (LABEL_VALUES.component, LABEL_INDEX.component, SIDE_INFORMATION)
_ORDER = (*_FIRST, *(name for name in COMPONENTS if name not in _FIRST))


def check_target(target: Path) -> None:
    """Check that a plot can be drawn and written, before any expensive work.

    Raises:
        ConfigError: `target` is not a .png, its folder is missing or not writable, or matplotlib is
            not installed.
    """
    new_figure(1, 1)
    if target.suffix.lower() != ".png":
        raise ConfigError(f"{target}: a plot is a PNG; name a file that ends in .png")
    if target.is_dir():
        raise ConfigError(f"{target}: a folder; a plot needs the name of a file")
    if not target.parent.is_dir():
        raise ConfigError(f"{target.parent}: no such folder to draw a plot in")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise ConfigError(f"{target}: not allowed to write a plot there")


def plot_breakdowns(sets: Sequence[tuple[str, Breakdown]], target: Path) -> None:
    """Draw bytes per label by component, and the theoretical and actual rates, as a PNG.

    Args:
        sets: (name, breakdown) of each label set; empty sets are omitted.
        target: the PNG to write; an existing file is replaced.

    Raises:
        ConfigError: matplotlib is not installed, or all sets are empty.
        OSError: the file cannot be written.
    """
    shown = [(name, breakdown) for name, breakdown in sets if breakdown.labels]
    if not shown:
        raise ConfigError("there is nothing to plot: no label in any of the sets")
    rows = len(shown)
    figure = new_figure(11, 2.4 + 0.75 * rows)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2), sharey=True)
    _bytes(left, shown)
    _rates(right, shown)
    left.set_yticks(range(rows), [name for name, _ in shown])
    left.invert_yaxis()
    for axes in (left, right):
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e0e0e0", linewidth=0.8)
        axes.set_axisbelow(True)
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    figure.savefig(target, format="png", dpi=150)


def new_figure(width: float, height: float) -> Figure:
    """Create an empty figure; `width` and `height` are in inches.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("plots need matplotlib: pip install 'labelcodec[plot]'") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _bytes(axes: Axes, sets: Sequence[tuple[str, Breakdown]]) -> None:
    axes.set_title("Bytes per label", loc="left", fontsize=11)
    starts = [0.0] * len(sets)
    for component in _ORDER:
        colour = COLOURS[component]
        widths = [breakdown.components[component] / breakdown.labels for _, breakdown in sets]
        if not any(widths):
            continue
        style: dict[str, Any] = {"color": colour, "edgecolor": "white", "linewidth": 0.6}
        axes.barh(range(len(sets)), widths, 0.6, left=starts, label=component, **style)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    for row, total in enumerate(starts):
        _write(axes, f"{total:.1f}", total, row)
    axes.set_xlim(0, 1.12 * max(starts))


def _rates(axes: Axes, sets: Sequence[tuple[str, Breakdown]]) -> None:
    axes.set_title("Compression rate", loc="left", fontsize=11)
    rates = [
        ("theoretical", "#bfbfbf", [breakdown.theoretical_rate for _, breakdown in sets]),
        (
            "actual",
            "#1f4e79",
            [
                breakdown.actual_rate_kept_epochs or breakdown.actual_rate or 0.0
                for _, breakdown in sets
            ],
        ),
    ]
    for offset, (name, colour, values) in zip((-0.17, 0.17), rates, strict=True):
        rows = [row + offset for row in range(len(sets))]
        axes.barh(rows, values, 0.3, color=colour)
        for row, value in zip(rows, values, strict=True):
            _write(axes, f"{value:.1f}× {name}", value, row)
    axes.set_xlim(0, 1.45 * max(max(values) for _, _, values in rates))


def _write(axes: Axes, text: str, x: float, y: float) -> None:
    """Write text to the right of a bar, on a white background that hides the grid."""
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 9}
    axes.annotate(text, (x, y), (5, 0), bbox=ground, **place)

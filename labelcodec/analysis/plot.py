"""Plot of size breakdowns and compression rates."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelcodec.analysis.breakdown import Breakdown
from labelcodec.analysis.fidelity import Fidelity
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

_TEMPERATURE = 4.0  # of the distances that are drawn
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
    check_png(target)


def check_png(target: Path) -> None:
    """Check that a PNG file can be written.

    Raises:
        ConfigError: `target` is not a .png, or its folder is missing or not writable.
    """
    if target.suffix.lower() != ".png":
        raise ConfigError(f"{target}: a plot is a PNG; name a file that ends in .png")
    if target.is_dir():
        raise ConfigError(f"{target}: a folder; a plot needs the name of a file")
    if not target.parent.is_dir():
        raise ConfigError(f"{target.parent}: no such folder to draw a plot in")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise ConfigError(f"{target}: not allowed to write a plot there")


def plot_breakdowns(
    sets: Sequence[tuple[str, Breakdown]],
    target: Path,
    fidelity: Mapping[str, Fidelity] | None = None,
) -> None:
    """Draw bytes per label, shares by component, rates and fidelity side by side, as a PNG.

    Bytes and rates have logarithmic axes, so that small files can be read beside large ones, and
    the dump that the first set was made from.

    Args:
        sets: (name, breakdown) of each label set; empty sets are omitted.
        target: the PNG to write; an existing file is replaced.
        fidelity: name of a set -> its distances to the source; None where they are not known.

    Raises:
        ConfigError: matplotlib is not installed, or all sets are empty.
        OSError: the file cannot be written.
    """
    shown = [(name, breakdown) for name, breakdown in sets if breakdown.labels]
    if not shown:
        raise ConfigError("there is nothing to plot: no label in any of the sets")
    source = shown[0][1].source_bytes
    names = [name for name, _ in shown] + ["source dump"] * (source is not None)
    panels = 4 if fidelity else 3
    figure = new_figure(4 * panels, 2.4 + 0.6 * len(names))
    axes = figure.subplots(1, panels, sharey=True)
    totals = [breakdown.bytes_total / breakdown.labels for _, breakdown in shown]
    if source is not None:
        totals.append(source / shown[0][1].labels)
    _bytes(axes[0], totals)
    _shares(axes[1], shown)
    _rates(axes[2], shown)
    if fidelity:
        _distances(axes[3], [fidelity.get(name) for name, _ in shown])
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    for panel in axes:
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="x", color="#e0e0e0", linewidth=0.8)
        panel.set_axisbelow(True)
    handles, components = axes[1].get_legend_handles_labels()
    figure.legend(
        handles, components, loc="outside lower center", ncols=6, frameon=False, fontsize=9
    )
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


def _bytes(axes: Axes, totals: Sequence[float]) -> None:
    axes.set_title("Bytes per label (log)", loc="left", fontsize=11)
    axes.barh(range(len(totals)), totals, 0.6, color="#1f4e79")
    for row, total in enumerate(totals):
        _write(axes, f"{total:.1f}", total, row)
    _log_axis(axes, totals)


def _shares(axes: Axes, sets: Sequence[tuple[str, Breakdown]]) -> None:
    axes.set_title("Share of the bytes, %", loc="left", fontsize=11)
    starts = [0.0] * len(sets)
    for component in _ORDER:
        widths = [
            100 * breakdown.components[component] / breakdown.bytes_total for _, breakdown in sets
        ]
        if not any(widths):
            continue
        style: dict[str, Any] = {
            "color": COLOURS[component],
            "edgecolor": "white",
            "linewidth": 0.6,
        }
        style |= {"left": starts, "color": COLOURS[component]}
        axes.barh(range(len(sets)), widths, 0.6, **style)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    axes.set_xlim(0, 100)


def _rates(axes: Axes, sets: Sequence[tuple[str, Breakdown]]) -> None:
    axes.set_title("Compression rate (log)", loc="left", fontsize=11)
    theoretical = [breakdown.theoretical_rate for _, breakdown in sets]
    actual = [each.actual_rate_kept_epochs or each.actual_rate or 0.0 for _, each in sets]
    rates = [("theoretical", "#bfbfbf", theoretical), ("actual", "#1f4e79", actual)]
    for offset, (name, colour, values) in zip((-0.17, 0.17), rates, strict=True):
        rows = [row + offset for row in range(len(sets))]
        axes.barh(rows, values, 0.3, color=colour)
        for row, value in zip(rows, values, strict=True):
            _write(axes, f"{value:.1f}× {name}", value, row)
    _log_axis(axes, [*theoretical, *actual])


def _distances(axes: Axes, sets: Sequence[Fidelity | None]) -> None:
    axes.set_title("Total variation to the source, τ = 4", loc="left", fontsize=11)
    for row, measured in enumerate(sets):
        if measured is not None:
            distance = measured.tv[_TEMPERATURE]
            axes.barh([row], [distance], 0.6, color="#1f4e79")
            text = f"{distance:.3f}, top class {100 * measured.top1_agreement:.1f} %"
            _write(axes, text, distance, row)
    axes.set_xlim(0, 1)


def _log_axis(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis with room for the texts behind the bars."""
    positive = [value for value in values if value > 0]
    axes.set_xscale("log")
    axes.set_xlim(min(positive) / 2, 6 * max(positive))


def _write(axes: Axes, text: str, x: float, y: float) -> None:
    """Write text to the right of a bar, on a white background that hides the grid."""
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 9}
    axes.annotate(text, (x, y), (5, 0), bbox=ground, **place)

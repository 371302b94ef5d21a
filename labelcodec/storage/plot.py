"""The breakdown and the two rates as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelcodec.errors import ConfigError
from labelcodec.storage.breakdown import Breakdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Labels in blues, what addresses and frames them in greys, augmentation in warm colours.
_COLOURS = {
    "label values": "#1f4e79",
    "label index": "#5b9bd5",
    "side information": "#9dc3e6",
    "crop": "#c55a11",
    "flip": "#f4b183",
    "mix index": "#ffc000",
    "mix ratio": "#ffd966",
    "mix box": "#fff2cc",
    "cutout": "#a9d18e",
    "randaugment": "#548235",
    "image index": "#7f7f7f",
    "framing and index": "#bfbfbf",
}


def check_target(target: Path) -> None:
    """Refuse, before any work is done, a picture that could not be drawn or written.

    Raises:
        ConfigError: not a .png, a folder that is missing or cannot be written to, or no matplotlib.
    """
    blank(1, 1)
    if target.suffix.lower() != ".png":
        raise ConfigError(f"{target}: --plot draws a PNG; name a file that ends in .png")
    if target.is_dir():
        raise ConfigError(f"{target}: a folder; --plot needs the name of a file")
    if not target.parent.is_dir():
        raise ConfigError(f"{target.parent}: no such folder for --plot to draw in")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise ConfigError(f"{target}: --plot is not allowed to write it")


def plot(sets: Sequence[tuple[str, Breakdown]], target: Path) -> None:
    """Draw bytes per label by component, and theoretical against actual rate, as a PNG.

    Args:
        sets: (name, breakdown) of each label set; one without labels has no bar.
        target: the PNG to write; an existing one is replaced.

    Raises:
        ConfigError: matplotlib is not installed, or no set holds a label.
    """
    shown = [(name, one) for name, one in sets if one.labels]
    if not shown:
        raise ConfigError("there is nothing to plot: no label in any of the sets")
    rows = len(shown)
    figure = blank(11, 2.4 + 0.75 * rows)
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


def blank(width: float, height: float) -> Figure:
    """An empty figure of that many inches, ready to be saved.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("--plot needs matplotlib: pip install 'labelcodec[plot]'") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _bytes(axes: Axes, sets: Sequence[tuple[str, Breakdown]]) -> None:
    axes.set_title("Bytes per label", loc="left", fontsize=11)
    starts = [0.0] * len(sets)
    for component, colour in _COLOURS.items():
        widths = [one.components[component] / one.labels for _, one in sets]
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
        ("theoretical", "#bfbfbf", [one.theoretical_rate for _, one in sets]),
        (
            "actual",
            "#1f4e79",
            [one.actual_rate_kept_epochs or one.actual_rate or 0.0 for _, one in sets],
        ),
    ]
    for offset, (name, colour, values) in zip((-0.17, 0.17), rates, strict=True):
        rows = [row + offset for row in range(len(sets))]
        axes.barh(rows, values, 0.3, color=colour)
        for row, value in zip(rows, values, strict=True):
            _write(axes, f"{value:.1f}× {name}", value, row)
    axes.set_xlim(0, 1.45 * max(max(values) for _, _, values in rates))


def _write(axes: Axes, text: str, x: float, y: float) -> None:
    """Text to the right of a bar's end, free of the grid."""
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 9}
    axes.annotate(text, (x, y), (5, 0), bbox=ground, **place)

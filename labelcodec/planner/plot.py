"""Plot of predictions: fidelity against size, one line per fraction of epochs kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from labelcodec.analysis.plot import new_figure
from labelcodec.errors import ConfigError
from labelcodec.planner.prediction import Prediction, pareto

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#1f4e79", "#c55a11", "#548235", "#7f6000", "#7030a0", "#7f7f7f")
_MARKERS = "o^sDPvX*<>hp"  # one per codec, in order of appearance
# Candidate (angle, vertical alignment) of the name at a mark.
_PLACEMENTS = ((35, "bottom"), (75, "bottom"), (-35, "top"), (-75, "top"))
_MARK_POINTS, _LINE = 7, 120  # diameter of a mark in points; characters per line of the title


def plot_predictions(predictions: Sequence[Prediction], target: Path) -> None:
    """Draw total variation at tau = 4 against the size of the label set, as a PNG.

    Marks are filled for Pareto-optimal predictions and hollow for the others. Predictions whose
    total variation is unknown are listed below the title.

    Args:
        predictions: predictions for one data set, at least one with a known total variation.
        target: the PNG to write; an existing file is replaced.

    Raises:
        ConfigError: matplotlib is not installed, or no total variation is known.
        OSError: the file cannot be written.
    """
    shown = [(item, item.tv4) for item in predictions if item.tv4 is not None]
    if not shown:
        raise ConfigError("there is nothing to plot: the fidelity of all of these is unknown")
    optimal = {id(item) for item in pareto(predictions)}
    codecs = dict.fromkeys(item.codec.partition(":")[0] for item, _ in shown)
    markers = dict(zip(codecs, cycle(_MARKERS)))
    figure = new_figure(10, 6)
    from matplotlib.ticker import EngFormatter

    axes = figure.subplots()
    keeps = sorted({item.keep for item, _ in shown}, reverse=True)
    for i, keep in enumerate(keeps):
        colour = _COLOURS[i % len(_COLOURS)]
        group = [(item, tv4) for item, tv4 in shown if item.keep == keep]
        front = sorted((float(item.bytes_total), tv4) for item, tv4 in group if id(item) in optimal)
        sizes, distances = zip(*front, strict=True) if front else ((), ())
        name = f"{100 * keep:g} % of the epochs"
        axes.plot(sizes, distances, color=colour, linewidth=1, label=name)
        for item, tv4 in group:
            style = _mark(markers[item.codec.partition(":")[0]], filled=id(item) in optimal)
            axes.plot([float(item.bytes_total)], [tv4], color=colour, **style)
    axes.axvline(
        float(shown[0][0].images_bytes), color="#bfbfbf", linestyle="--", label="the images"
    )
    for name, marker in markers.items():
        axes.plot([], [], label=name, color="black", **_mark(marker, filled=False))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter("B"))
    axes.margins(x=0.08)
    axes.set_ylim(-0.12, 1.12)
    axes.set_xlabel("bytes of labels and augmentation, predicted")
    axes.set_ylabel("total variation to the full labels, tau = 4")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)
    unknown = ", ".join(dict.fromkeys(item.codec for item in predictions if item.tv4 is None))
    missing = f"not drawn, fidelity unknown: {unknown}" if unknown else ""
    title = "Codecs and pruning; filled marks are Pareto-optimal"
    axes.set_title("\n".join([title, *wrap(missing, _LINE)]), loc="left", fontsize=11)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    figure.draw_without_rendering()  # fixes the layout before names are placed
    _name(axes, shown, keeps[0])
    figure.savefig(target, format="png", dpi=150)


def _mark(marker: str, filled: bool) -> dict[str, Any]:
    shape = {"marker": marker, "markersize": _MARK_POINTS}
    return {**shape, "fillstyle": "full" if filled else "none", "linestyle": ""}


def _name(axes: Axes, shown: Sequence[tuple[Prediction, float]], keep: float) -> None:
    """Label the marks of one fraction with their codec options, if possible without overlap."""
    from matplotlib.transforms import Bbox

    points = axes.transData.transform([(item.bytes_total, tv4) for item, tv4 in shown])
    half = _MARK_POINTS / 144 * axes.figure.dpi
    taken = [Bbox([point - half, point + half]) for point in points]
    for item, tv4 in shown:
        for angle, side in _PLACEMENTS if item.keep == keep else ():
            text = axes.annotate(
                item.codec.partition(":")[2],
                (item.bytes_total, tv4),
                (3, 6 if angle > 0 else -6),
                textcoords="offset points",
                fontsize=8,
                rotation=angle,
                rotation_mode="anchor",
                va=side,
            )
            box = text.get_window_extent()
            if not box.count_overlaps(taken) or angle == _PLACEMENTS[-1][0]:
                taken.append(box)
                break
            text.remove()

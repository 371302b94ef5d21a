"""Predictions as a picture: fidelity against bytes, a line for every fraction kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from labelcodec.errors import ConfigError
from labelcodec.storage.plan.predict import Prediction, pareto
from labelcodec.storage.plot import blank

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#1f4e79", "#c55a11", "#548235", "#7f6000", "#7030a0", "#7f7f7f")
_MARKS = {"transform": "o", "topk": "^", "dense": "s", "sre2l": "D", "lpld": "P", "lpqld": "v"}
_PLACES = ((35, "bottom"), (75, "bottom"), (-35, "top"), (-75, "top"))  # of a name at its mark
_MARK_POINTS, _LINE = 7, 120  # diameter of a mark; letters of a line


def plot(found: Sequence[Prediction], target: Path) -> None:
    """Draw total variation at tau = 4 against bytes of the label set, as a PNG.

    The Pareto set is filled, what it beats is hollow; predictions without a known total variation
    are named below the title.

    Args:
        found: at least one prediction with a known total variation, all of one data set.
        target: the PNG to write; an existing one is replaced.

    Raises:
        ConfigError: matplotlib is not installed, or there is nothing to draw.
    """
    shown = [(one, one.tv4) for one in found if one.tv4 is not None]
    if not shown:
        raise ConfigError("there is nothing to plot: no fidelity is known of these labels")
    best = {id(one) for one in pareto(found)}
    figure = blank(10, 6)
    from matplotlib.ticker import EngFormatter

    axes = figure.subplots()
    keeps = sorted({one.keep for one, _ in shown}, reverse=True)
    for i, keep in enumerate(keeps):
        colour = _COLOURS[i % len(_COLOURS)]
        some = [(one, tv4) for one, tv4 in shown if one.keep == keep]
        front = sorted((one.bytes_total, tv4) for one, tv4 in some if id(one) in best)
        sizes, distances = zip(*front, strict=True) if front else ((), ())
        name = f"{100 * keep:g} % of the epochs"
        axes.plot(sizes, distances, color=colour, linewidth=1, label=name)
        for one, tv4 in some:
            style = _mark(one.codec, filled=id(one) in best)
            axes.plot([one.bytes_total], [tv4], color=colour, **style)
    axes.axvline(shown[0][0].images_bytes, color="#bfbfbf", linestyle="--", label="the images")
    for name in dict.fromkeys(one.codec.partition(":")[0] for one, _ in shown):
        axes.plot([], [], label=name, color="black", **_mark(name, filled=False))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter("B"))
    axes.margins(x=0.08)
    axes.set_ylim(-0.12, 1.12)
    axes.set_xlabel("bytes of labels and augmentation, predicted")
    axes.set_ylabel("total variation to the full labels, tau = 4")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)
    unknown = ", ".join(dict.fromkeys(one.codec for one in found if one.tv4 is None))
    missing = f"not drawn, as their fidelity is not known: {unknown}" if unknown else ""
    title = "Codecs and pruning; filled: nothing else beats it"
    axes.set_title("\n".join([title, *wrap(missing, _LINE)]), loc="left", fontsize=11)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    figure.draw_without_rendering()  # settles the layout, which the names are fitted to
    _name(axes, shown, keeps[0])
    figure.savefig(target, format="png", dpi=150)


def _mark(codec: str, filled: bool) -> dict[str, Any]:
    shape = {"marker": _MARKS[codec.partition(":")[0]], "markersize": _MARK_POINTS}
    return {**shape, "fillstyle": "full" if filled else "none", "linestyle": ""}


def _name(axes: Axes, shown: Sequence[tuple[Prediction, float]], keep: float) -> None:
    """Write the settings of one fraction at their marks, clear of all else if there is a place."""
    from matplotlib.transforms import Bbox

    points = axes.transData.transform([(one.bytes_total, tv4) for one, tv4 in shown])
    half = _MARK_POINTS / 144 * axes.figure.dpi
    taken = [Bbox([point - half, point + half]) for point in points]
    for one, tv4 in shown:
        for angle, side in _PLACES if one.keep == keep else ():
            text = axes.annotate(
                one.codec.partition(":")[2],
                (one.bytes_total, tv4),
                (3, 6 if angle > 0 else -6),
                textcoords="offset points",
                fontsize=8,
                rotation=angle,
                rotation_mode="anchor",
                va=side,
            )
            box = text.get_window_extent()
            if not box.count_overlaps(taken) or angle == _PLACES[-1][0]:
                taken.append(box)
                break
            text.remove()

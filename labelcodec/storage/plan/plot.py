"""Predictions as a picture: fidelity against bytes, a line for every fraction kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labelcodec.errors import ConfigError
from labelcodec.storage.plan.predict import Prediction, pareto
from labelcodec.storage.plot import blank

_COLOURS = ("#1f4e79", "#c55a11", "#548235", "#7f6000", "#7030a0", "#7f7f7f")
_MARKS = {"transform": "o", "topk": "^", "dense": "s"}
_DUMP = "D"


def plot(found: Sequence[Prediction], target: Path) -> None:
    """Draw total variation at tau = 4 against bytes of the label set, as a PNG.

    The Pareto set is filled, what it beats is hollow; predictions without a known total variation
    are left out.

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
        axes.plot(
            [size for size, _ in front],
            [tv4 for _, tv4 in front],
            color=colour,
            linewidth=1,
            label=f"{100 * keep:g} % of the epochs",
        )
        for one, tv4 in some:
            style: dict[str, Any] = {"markeredgecolor": colour, "linestyle": "", "markersize": 7}
            style["markerfacecolor"] = colour if id(one) in best else "white"
            name = one.codec.partition(":")[0]
            axes.plot([one.bytes_total], [tv4], marker=_MARKS.get(name, _DUMP), **style)
            if i == 0:
                place: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8}
                axes.annotate(one.codec, (one.bytes_total, tv4), (2, 6), rotation=35, **place)
    images = shown[0][0].images_bytes
    axes.axvline(images, color="#bfbfbf", linestyle="--", label="bytes of the images")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter("B"))
    axes.margins(x=0.08)
    axes.set_ylim(-0.04, 1.12)
    axes.set_xlabel("bytes of labels and augmentation, predicted")
    axes.set_ylabel("total variation to the full labels, tau = 4")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title("Codecs and pruning; filled: nothing else beats it", loc="left", fontsize=11)
    figure.legend(loc="outside lower center", ncols=len(keeps) + 1, frameon=False, fontsize=9)
    figure.savefig(target, format="png", dpi=150)

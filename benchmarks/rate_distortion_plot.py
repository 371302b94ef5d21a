"""Rate–distortion curves as a picture."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distortion import Point, front
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, StrMethodFormatter
from PIL import Image

# Ours in blues, other top-k in oranges, vectors in reds, what is alone in a colour of its own.
STYLES = {
    "transform": ("#1f4e79", "o"),
    "topk": ("#5b9bd5", "s"),
    "vq": ("#00808a", "p"),
    "vq autoencoder": ("#7fc8c0", "h"),
    "FKD MS in topk": ("#9dc3e6", "D"),
    "LPQLD top-k": ("#c55a11", "s"),
    "FKD MR": ("#f4b183", "v"),
    "FKD MS": ("#ffc000", "^"),
    "DistillKit": ("#548235", "P"),
    "scalar + zstd-19": ("#7f7f7f", "X"),
    "PQ": ("#d98cb3", "<"),
    "rotated PQ": ("#a02060", ">"),
    "RQ": ("#7b3fa0", "d"),
}
PANELS = [("tv", "1"), ("tv", "2"), ("tv", "4"), ("tv", "20"), ("kl", "1"), ("kl", "4")]
TITLES = {"tv": "Total variation", "kl": "KL divergence, nats"}
SHOWN = (10, 450)  # bytes a label
COLOURS = 256  # of the PNG's palette
TICKS = (10, 20, 50, 100, 200, 400)


def draw(points: Sequence[Point], target: Path) -> None:
    """Bytes against distortion, a panel a measure, as a PNG; an infinite KL is not drawn."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, 3)
    for axes, (measure, tau) in zip(grid.flat, PANELS, strict=True):
        _panel(axes, points, measure, tau)
    for axes in grid[-1]:
        axes.set_xlabel("bytes per label, side information included")
    handles, names = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=6, frameon=False, fontsize=10)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    Image.open(file).convert("RGB").quantize(COLOURS).save(target, optimize=True)


def _panel(axes: Axes, points: Sequence[Point], measure: str, tau: str) -> None:
    """Every setting as a mark, and a line along the best of each series."""
    shown = []
    for series, (colour, mark) in STYLES.items():
        found = [
            (point.bytes_per_label, float(getattr(point, measure)[tau]))
            for point in points
            if point.series == series
        ]
        found = [(x, y) for x, y in found if math.isfinite(y)]
        shown += [y for x, y in found if SHOWN[0] <= x <= SHOWN[1]]
        own = series == "transform"
        style: dict[str, Any] = {"color": colour, "zorder": 3 if own else 2}
        line, marks = (tuple(zip(*some, strict=True)) or ((), ()) for some in (front(found), found))
        axes.plot(*line, linewidth=2.6 if own else 1.2, **style)
        axes.plot(*marks, mark, markersize=6 if own else 4, label=series, **style)
    axes.set_title(f"{TITLES[measure]}, τ = {tau}", loc="left", fontsize=11)
    axes.set(xscale="log", yscale="log", xlim=SHOWN, ylim=(0.85 * min(shown), 1.15 * max(shown)))
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)

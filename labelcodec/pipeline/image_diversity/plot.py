"""Plot of a diversity report: similarity by class, and the terms of the MMD."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labelcodec.analysis.plot import new_figure
from labelcodec.errors import ConfigError
from labelcodec.pipeline.image_diversity.measurement import DiversityReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#1f4e79", "#c55a11")


def plot_diversity(report: DiversityReport, target: Path) -> None:
    """Draw the similarities of the classes, sorted, and the terms of the MMD, as a PNG.

    Args:
        report: what was measured.
        target: the PNG to write; an existing file is replaced.

    Raises:
        ConfigError: matplotlib is not installed, or there is neither a similarity nor an MMD.
        OSError: the file cannot be written.
    """
    compared = any(each.by_class for each in report.similarities)
    drawings = [_similarities] * compared + [_terms] * (report.mmd is not None)
    if not drawings:
        raise ConfigError("there is nothing to plot: no class of two images, and no reference")
    figure = new_figure(5.4 * len(drawings), 4.2)
    panels = figure.subplots(1, len(drawings), squeeze=False)[0]
    for draw, axes in zip(drawings, panels, strict=True):
        draw(axes, report)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e0e0e0", linewidth=0.8)
        axes.set_axisbelow(True)
    figure.savefig(target, format="png", dpi=150)


def _similarities(axes: Axes, report: DiversityReport) -> None:
    """Each folder's classes from the least to the most similar; a dashed line for the mean."""
    axes.set_title("Cosine similarity within a class", loc="left", fontsize=11)
    for each, name, colour in zip(report.similarities, _names(report), _COLOURS, strict=False):
        if each.mean is None:
            continue
        values = sorted(each.by_class.values())
        share = [(i + 0.5) / len(values) for i in range(len(values))]
        label = f"{name}: {each.mean:.3f}"
        axes.plot(share, values, "o-", color=colour, markersize=3, linewidth=1, label=label)
        axes.axhline(each.mean, color=colour, linestyle="--", linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the classes, sorted")
    axes.set_ylabel("mean over the pairs of a class")
    axes.legend(frameon=False, fontsize=9)


def _terms(axes: Axes, report: DiversityReport) -> None:
    """The mean kernel within each folder and between them, of which MMD^2 is made."""
    mmd = report.mmd
    assert mmd is not None
    names = [*(f"within {name}" for name in _names(report)), "between"]
    values = [mmd.within_a, mmd.within_b, mmd.between]
    axes.set_title(
        f"MMD² = {mmd.squared:.3g}, bandwidth {mmd.bandwidth:.3g}", loc="left", fontsize=11
    )
    axes.bar(range(3), values, 0.6, color=[*_COLOURS, "#7f7f7f"])
    axes.set_xticks(range(3), names)
    for i, value in enumerate(values):
        axes.annotate(f"{value:.4f}", (i, value), (0, 3), textcoords="offset points", ha="center")
    axes.set_ylabel("mean of the Gaussian kernel")


def _names(report: DiversityReport) -> list[str]:
    """Names of the folders without what is above them, if they differ."""
    names = [each.folder.name for each in report.similarities]
    if len(set(names)) == len(names) and all(names):
        return names
    return [str(each.folder) for each in report.similarities]

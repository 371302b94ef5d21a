"""Coded labels as points of bytes against distortion, and who is below whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec import LabelBatch
from labelcodec.analysis.fidelity import Accumulator
from labelcodec.batch import Labels


@dataclass(frozen=True, eq=False)
class Data:
    """The labels that everything is measured on.

    Attributes:
        source: the dump.
        batches: all of it.
        truth: its labels as one batch of (N, C) logits.
    """

    source: Path
    batches: list[LabelBatch]
    truth: Labels


@dataclass(frozen=True, eq=False)
class Coded:
    """What a codec made of the labels.

    Attributes:
        series: the codec.
        setting: its parameters.
        parts: bytes a label by part; all that is needed to decode, the augmentation left out.
        labels: all labels as they are given back, in the order of `Data.truth`.
    """

    series: str
    setting: str
    parts: Mapping[str, float]
    labels: Labels


@dataclass(frozen=True)
class Point:
    """A measured setting; means over all labels, keys of `tv` and `kl` are temperatures."""

    series: str
    setting: str
    bytes_per_label: float
    parts: Mapping[str, float]
    tv: Mapping[str, float]
    kl: Mapping[str, float | str]
    top1_agreement: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return asdict(self)


def measure(truth: Labels, coded: Coded) -> Point:
    """Distances of the decoded labels from the source."""
    distances = Accumulator()
    distances.add(truth, coded.labels)
    found = distances.result().to_json()
    parts = dict(coded.parts)
    return Point(
        coded.series, coded.setting, sum(parts.values()), parts, found["tv"], found["kl"],
        found["top1_agreement"],
    )  # fmt: skip


def front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Corners of the lower convex hull of (bytes, distortion), as far as it falls.

    What is between two settings can be had by using either for each label.
    """
    corners: list[tuple[float, float]] = []
    for point in sorted(points):
        if corners and point[1] >= corners[-1][1]:
            continue
        while len(corners) > 1 and _above(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    return corners


def at(points: Iterable[Point], tau: str, size: float) -> float | None:
    """Total variation that a codec reaches in `size` bytes a label; None where nothing fits."""
    corners = front((point.bytes_per_label, point.tv[tau]) for point in points)
    if not corners or size < corners[0][0]:
        return None
    return float(np.interp(size, [x for x, _ in corners], [y for _, y in corners]))


def _above(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Whether b is on or above the line from a to c."""
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])


def verdict(points: Sequence[Point], own: str, taus: Sequence[str], least: float) -> dict[str, Any]:
    """Every point of a series from `least` bytes on against the best rival at its bytes.

    A margin is how much lower the own total variation is, as a share of the rival's.
    """
    rivals: dict[str, list[Point]] = {}
    for point in points:
        rivals.setdefault(point.series, []).append(point)
    rows = []
    for point in rivals.pop(own):
        for tau in taus if point.bytes_per_label >= least else ():
            size = point.bytes_per_label
            reached = {name: at(points, tau, size) for name, points in rivals.items()}
            known = {name: tv for name, tv in reached.items() if tv is not None}
            best = min(known, key=lambda name: known[name])
            rows.append(
                {
                    "setting": point.setting,
                    "bytes_per_label": size,
                    "tau": tau,
                    "tv": point.tv[tau],
                    "best_rival": best,
                    "rival_tv": known[best],
                    "margin": 1 - point.tv[tau] / known[best],
                }
            )
    return {
        "lower_everywhere": all(row["margin"] > 0 for row in rows),
        "least_margin": min(rows, key=lambda row: row["margin"]),
        "rows": rows,
    }

"""Results of a study: one line of JSON per cell, and their summary over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.errors import MismatchError
from labelcodec.pipeline.study.cells import Cell
from labelcodec.pipeline.study.stage_folder import read_json, write_json, write_text
from labelcodec.pipeline.study.stages import CellStages
from labelcodec.pipeline.study.study_file import Study

# Figures of a cell, in the order of its line.
FIGURES = (
    *("top1", "top5", "loss", "epochs", "images", "images_bytes"),
    *("recovery_cross_entropy", "recovery_norm", "labels", "labels_bytes", "bytes_per_label"),
    *("actual_rate", "theoretical_rate", "similarity", "mmd"),
)


@dataclass(frozen=True)
class Result:
    """The result of a cell.

    Attributes:
        study: name of the study.
        row: row of the cell; None in a study without rows.
        settings: dotted name -> value of the settings that vary.
        seed: seed of the student.
        codec: codec spec of the labels.
        keep: share of the batches that was kept.
        student: the student's network.
        figures: name -> value, for the names of `FIGURES`; None for what was not measured.
        folders: kind of stage -> its folder below that of the study.
    """

    study: str
    row: str | None
    settings: Mapping[str, Any]
    seed: int
    codec: str
    keep: float
    student: str
    figures: Mapping[str, float | None]
    folders: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """As plain values; figures are not nested."""
        plain = asdict(self)
        return {**{name: plain[name] for name in plain if name != "figures"}, **self.figures}


@dataclass(frozen=True)
class Summary:
    """Cells that differ in their seeds alone.

    Attributes:
        row, settings, codec, keep, student: as in `Result`.
        seeds: number of results.
        mean: mean of each figure; None where a result lacks it.
        standard_error: its standard error; None for fewer than two results.
        pareto: whether, of the same number of images and the same student, nothing else takes fewer
            bytes of labels without a lower top-1 accuracy.
    """

    row: str | None
    settings: Mapping[str, Any]
    codec: str
    keep: float
    student: str
    seeds: int
    mean: Mapping[str, float | None]
    standard_error: Mapping[str, float | None]
    pareto: bool = False

    @property
    def comparable(self) -> tuple[float | None, str]:
        """Number of images, and the student: what the labels of a Pareto set have in common."""
        return self.mean["images"], self.student

    @property
    def title(self) -> str:
        """Row and settings in one line."""
        parts = [] if self.row is None else [self.row]
        return ", ".join([*parts, *map(str, self.settings.values())]) or self.codec

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def cell_file(out: Path, stages: CellStages) -> Path:
    """The file of a cell's result."""
    return out / "cells" / f"{stages.key}.json"


def merged(out: Path, other: Path, cells: Sequence[CellStages]) -> None:
    """Take over the results of cells that the folder of another run has.

    Raises:
        MismatchError: it is not such a folder, or a result is damaged.
    """
    if not (other / "cells").is_dir():
        raise MismatchError(f"{other}: holds no results of a study to merge")
    for stages in cells:
        source, target = cell_file(other, stages), cell_file(out, stages)
        if source.is_file() and not target.exists():
            write_json(target, _result_of(source))


def results_of(study: Study, out: Path, cells: Sequence[tuple[Cell, CellStages]]) -> list[Result]:
    """Results of the cells that are complete, in their order.

    Raises:
        MismatchError: a result is damaged.
    """
    results = []
    for cell, stages in cells:
        if not (path := cell_file(out, stages)).is_file():
            continue
        content, settings = _result_of(path), cell.settings
        figures = {name: content["figures"].get(name) for name in FIGURES}
        results.append(
            Result(
                study.name, cell.row, cell.varying, settings.seed, settings.codec,
                settings.relabel.keep, settings.train.model, figures, content["folders"],
            )
        )  # fmt: skip
    return results


def is_complete(path: Path) -> bool:
    """Whether the file of a cell holds a result; a damaged one is computed again."""
    try:
        _result_of(path)
    except (FileNotFoundError, MismatchError):
        return False
    return True


def _result_of(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not all(isinstance(content.get(name), dict) for name in ("figures", "folders")):
        raise MismatchError(f"{path}: not the result of a cell; remove it to compute it again")
    return content


def write_results(study: Study, out: Path, results: Sequence[Result]) -> Path:
    """Write one line of JSON per result to the study's file in `out`, and return its path."""
    path = out / f"{study.name}.jsonl"
    lines = [json.dumps(result.to_json(), allow_nan=False) + "\n" for result in results]
    write_text(path, "".join(lines))
    return path


def summarised(results: Sequence[Result]) -> list[Summary]:
    """Mean and standard error over seeds, in order of first appearance."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        key = json.dumps([result.row, result.settings], sort_keys=True)
        groups.setdefault(key, []).append(result)
    summaries = [_summary(group) for group in groups.values()]
    return [Summary(**{**vars(each), "pareto": _is_optimal(each, summaries)}) for each in summaries]


def _summary(group: Sequence[Result]) -> Summary:
    means, errors = {}, {}
    for name in FIGURES:
        known = [value for result in group if (value := result.figures[name]) is not None]
        is_known = len(known) == len(group)
        means[name] = float(np.mean(known)) if is_known else None
        spread = is_known and len(known) > 1
        errors[name] = float(np.std(known, ddof=1)) / math.sqrt(len(known)) if spread else None
    first = group[0]
    return Summary(
        first.row, first.settings, first.codec, first.keep, first.student, len(group), means, errors
    )


def _is_optimal(summary: Summary, rivals: Sequence[Summary]) -> bool:
    """Whether no rival is at least as small and as accurate, and better in one of both."""
    size, accuracy = _cost(summary)
    costs = [_cost(rival) for rival in rivals if rival.comparable == summary.comparable]
    return not any((a, b) != (size, accuracy) and a <= size and b >= accuracy for a, b in costs)


def _cost(summary: Summary) -> tuple[float, float]:
    """Bytes of the labels, and top-1 accuracy."""
    size, accuracy = summary.mean["labels_bytes"], summary.mean["top1"]
    assert size is not None and accuracy is not None
    return size, accuracy

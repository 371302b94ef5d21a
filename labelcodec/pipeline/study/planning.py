"""The plan of a study: its cells, their stages, and what of them is still to be computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelcodec.pipeline.study.cells import Cell, cells_of
from labelcodec.pipeline.study.predicted_size import predicted_bytes
from labelcodec.pipeline.study.results import cell_file
from labelcodec.pipeline.study.sources import look_again
from labelcodec.pipeline.study.stage_folder import StageFolder
from labelcodec.pipeline.study.stages import LABELS, CellStages, stages_of
from labelcodec.pipeline.study.study_file import Study


@dataclass(frozen=True)
class StudyPlan:
    """What a study takes.

    Attributes:
        study: the study.
        out: its folder.
        cells: (cell, its stages) in order.
    """

    study: Study
    out: Path
    cells: tuple[tuple[Cell, CellStages], ...]

    def missing(self) -> list[tuple[Cell, CellStages]]:
        """The cells without a result."""
        return [pair for pair in self.cells if not cell_file(self.out, pair[1]).is_file()]

    def stages(self) -> dict[str, tuple[int, int]]:
        """Kind of stage -> how many there are, and how many of them are still to be computed."""
        every = {stage.path: stage for _, stages in self.cells for stage in stages.all}
        needed = {stage.path for _, stages in self.missing() for stage in stages.all}
        counts: dict[str, tuple[int, int]] = {}
        for path, stage in every.items():
            total, left = counts.get(stage.kind, (0, 0))
            is_left = path in needed and StageFolder(self.out / path).facts is None
            counts[stage.kind] = total + 1, left + is_left
        return counts

    def by_shared_stages(self) -> list[tuple[Cell, CellStages]]:
        """The cells, those with the same images and labels in a row."""
        first: dict[str, int] = {}
        for _, stages in self.cells:
            for stage in stages.all:
                first.setdefault(stage.path, len(first))

        def order(pair: tuple[Cell, CellStages]) -> list[int]:
            images, run = pair[1].images, pair[1].labels
            labels = [run]
            while LABELS in labels[0].inputs:
                labels.insert(0, labels[0].inputs[LABELS])
            return [first[stage.path] for stage in [*([images] if images else []), *labels]]

        return sorted(self.cells, key=order)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        missing = {stages.key for _, stages in self.missing()}
        return {
            "study": self.study.name,
            "cells": [
                {
                    "row": cell.row,
                    "settings": dict(cell.varying),
                    "seed": cell.settings.seed,
                    "folders": {stage.kind: stage.path for stage in stages.all},
                    "predicted_bytes": predicted_bytes(cell.settings),
                    "complete": stages.key not in missing,
                }
                for cell, stages in self.cells
            ],
            "stages": {
                kind: {"number": total, "to_compute": left}
                for kind, (total, left) in self.stages().items()
            },
        }


def plan_study(study: Study, out: Path | str) -> StudyPlan:
    """The cells and stages of a study; nothing is computed but digests of its inputs.

    Raises:
        ConfigError: a setting is not allowed or missing.
        MismatchError: an image folder or a file is missing.
    """
    cells = cells_of(study)
    look_again()
    return StudyPlan(study, Path(out), tuple((cell, stages_of(cell)) for cell in cells))

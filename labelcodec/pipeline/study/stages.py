"""The steps of a cell, each known by a digest of all that its result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from labelcodec.pipeline.study.cells import Cell
from labelcodec.pipeline.study.sources import (
    features_facts,
    teacher_facts,
    test_images,
    training_images,
)
from labelcodec.pipeline.study.tables import Settings

STATISTICS, IMAGES, LABELS = "statistics", "images", "labels"
RUNS, SCORES, DIVERSITY = "runs", "scores", "diversity"
DIGITS = 16  # of a digest, in hex


@dataclass(frozen=True, eq=False)
class Stage:
    """A step, such as the recovery of an image set.

    Attributes:
        kind: what it makes, and the folder that keeps it: 'statistics', 'images', 'labels', 'runs',
            'scores' or 'diversity'.
        depends: what its result depends on apart from other stages, as plain values.
        inputs: the stages whose results it takes.
    """

    kind: str
    depends: Mapping[str, Any]
    inputs: Mapping[str, Stage] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """Digest of all that the result depends on."""
        inputs = {name: stage.key for name, stage in self.inputs.items()}
        return digest_of({"kind": self.kind, "depends": self.depends, "inputs": inputs})

    @property
    def path(self) -> str:
        """Folder of its result below that of the study."""
        return f"{self.kind}/{self.key}"


@dataclass(frozen=True, eq=False)
class CellStages:
    """The stages of a cell.

    Attributes:
        images: the recovered images; None where the training images are labelled.
        labels: the labels as the student gets them.
        scores: scores of the student.
        diversity: similarity and MMD of the images; None where they are not measured.
    """

    images: Stage | None
    labels: Stage
    scores: Stage
    diversity: Stage | None

    @property
    def all(self) -> list[Stage]:
        """All stages by kind and key, each after its inputs."""
        ordered: dict[str, Stage] = {}
        for last in (self.diversity, self.scores):
            if last is not None:
                _collect(last, ordered)
        return list(ordered.values())

    @cached_property
    def key(self) -> str:
        """Digest of the cell's result."""
        last = [stage.key for stage in (self.diversity, self.scores) if stage is not None]
        return digest_of(last)


def _collect(stage: Stage, ordered: dict[str, Stage]) -> None:
    for each in stage.inputs.values():
        _collect(each, ordered)
    ordered.setdefault(stage.path, stage)


def digest_of(value: Any) -> str:
    """Digest of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:DIGITS]


def said(table: Any) -> dict[str, Any]:
    """The settings of a table that differ from their defaults.

    So digests are the same in a later version whose tables have more settings.
    """
    values, defaults = asdict(table), asdict(type(table)())
    return {name: value for name, value in values.items() if value != defaults[name]}


def stages_of(cell: Cell) -> CellStages:
    """The stages of a cell. Cells that agree in what a stage depends on share it.

    Raises:
        ConfigError: the study does not name the teacher or an image folder.
        MismatchError: a folder or file is missing.
    """
    settings = cell.settings
    teacher, real = teacher_facts(settings.teacher), training_images(settings)
    images = _images(settings, teacher)
    by_image = {} if images is None else {IMAGES: images}
    own_images = {"images": real.digest} if images is None else {}
    relabel = {**said(settings.relabel), "epochs": settings.epochs}
    space = relabel.pop("space", "logits")
    labels = Stage(LABELS, {"teacher": teacher, "relabel": relabel, **own_images}, by_image)
    if space != "logits":
        labels = Stage(LABELS, {"space": space}, {LABELS: labels})
    if settings.codec != "dense":
        labels = Stage(LABELS, {"codec": settings.codec}, {LABELS: labels})
    recipe = {"recipe": said(settings.train), "seed": settings.seed}
    run = Stage(RUNS, recipe, {LABELS: labels, **by_image})
    test = {"test": test_images(settings).digest, "resize": settings.data.resize}
    scores = Stage(SCORES, test, {RUNS: run})
    diversity = None
    if settings.diversity is not None:
        depends = {"features": features_facts(settings), "reference": real.digest}
        diversity = Stage(DIVERSITY, depends, by_image)
    return CellStages(images, labels, scores, diversity)


def _images(settings: Settings, teacher: Mapping[str, Any]) -> Stage | None:
    """The image set; its statistics are an input only where the method looks at them."""
    recover = settings.recover
    if recover is None:
        return None
    real = training_images(settings)
    depends: dict[str, Any] = {"teacher": teacher, "recover": said(recover)}
    depends["classes"] = digest_of(real.classes)
    if recover.init != "noise":
        depends["real"] = real.digest
    if not recover.needs_statistics:
        return Stage(IMAGES, depends)
    squeeze = {"teacher": teacher, "squeeze": said(settings.squeeze), "images": real.digest}
    return Stage(IMAGES, depends, {STATISTICS: Stage(STATISTICS, squeeze)})

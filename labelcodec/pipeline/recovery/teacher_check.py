"""Checks that statistics are of this teacher and of inputs like these."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from labelcodec.errors import MismatchError
from labelcodec.pipeline.class_statistics import ClassStatistics
from labelcodec.pipeline.norm_layers import norm_layers
from labelcodec.pipeline.preprocessing import Preprocessing
from labelcodec.pipeline.teacher import Teacher


def check_statistics(statistics: ClassStatistics, teacher: Teacher, where: str) -> None:
    """Check that statistics are of a teacher: its weights, layers and channels.

    Args:
        statistics: what squeeze collected.
        teacher: the teacher.
        where: the file of statistics, for error messages.

    Raises:
        MismatchError: they are of another model, or of other weights.
    """
    recorded, name = statistics.facts["teacher"], teacher.facts["name"]
    of_statistics, own = recorded.get("sha256"), teacher.facts.get("sha256")
    if of_statistics and own and of_statistics != own:
        raise MismatchError(
            f"{where}: has the statistics of other weights, of {recorded['name']} with SHA-256 "
            f"{of_statistics[:12]}…; those of {name} have {own[:12]}…"
        )
    layers = norm_layers(teacher.model, f"the teacher {name}")
    for layer, values in statistics.layers.items():
        channels = layers[layer].num_features if layer in layers else 0
        if channels != values.mean.shape[1]:
            has = f"{channels} channels" if channels else "no such layer"
            raise MismatchError(
                f"{where}: has the statistics of another model, {recorded['name']}: its layer "
                f"{layer} has {values.mean.shape[1]} channels, {name} has {has}"
            )


def stated_preprocessing(
    statistics: ClassStatistics, passed: Preprocessing, where: str
) -> Preprocessing:
    """How images were preprocessed for the statistics, with which the caller must agree.

    Args:
        statistics: what squeeze collected.
        passed: the caller's settings; None where nothing is passed.
        where: the file of statistics, for error messages.

    Raises:
        MismatchError: the caller says something else.
    """
    size = statistics.facts["image_size"]
    stated = Preprocessing(
        (int(size[0]), int(size[1])),
        statistics.facts["interpolation"],
        statistics.facts["normalisation"],
    )
    taken: dict[str, Any] = {}
    for name in (field.name for field in fields(Preprocessing)):
        own, recorded = getattr(passed, name), getattr(stated, name)
        if own is not None and own != recorded:
            raise MismatchError(
                f"{where}: the statistics were taken with {name.replace('_', ' ')} {recorded}, not "
                f"{own}; leave `{name}` out, or squeeze again"
            )
        taken[name] = recorded
    return replace(stated, **taken)

"""A study that takes a second: six classes of 8 x 8 pixels, and networks that see their colours."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from labelcodec.pipeline.study.running import StudyReport, run_study
from labelcodec.pipeline.study.study_file import Study, study_of
from tests.pipeline import scene

NORMED = "tests.pipeline.study.small_study:normed"
SHARED: dict[str, Any] = {
    "squeeze": {"batch_size": 8},
    "recover": {"ipc": 2, "iterations": 2, "method": "lpld", "png": True},
    "relabel": {"batch_size": 4},
    "train": {"model": scene.SMALL, "epochs": 2, "learning_rate": 0.01},
}


def normed(classes: int) -> nn.Module:
    """A network with batch norm."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(72, classes)
    )


def folders(root: Path) -> dict[str, Any]:
    """Write images and a teacher; the tables that name them."""
    from safetensors.torch import save_file

    scene.images(root / "train")
    scene.images(root / "test", count=12, seed=5)
    torch.manual_seed(7)
    model = normed(scene.CLASSES)
    scene.recognise_colours(model[0], model[4], scene.CLASSES)
    save_file(model.state_dict(), root / "teacher.safetensors")
    return {
        "teacher": {
            "model": NORMED,
            "weights": str(root / "teacher.safetensors"),
            "image_size": scene.SIDE,
            **scene.NORMALISATION,
        },
        "data": {"train": str(root / "train"), "test": str(root / "test"), "resize": False},
    }


def study(
    tables: Mapping[str, Any], name: str = "small", changes: Any = None, **more: Any
) -> Study:
    """A study of these folders; tables of `more` are added to the shared settings."""
    content = copy.deepcopy(SHARED)
    for key, value in {**tables, **more}.items():
        merged = isinstance(value, dict) and isinstance(content.get(key), dict)
        content[key] = {**content[key], **value} if merged else value
    return study_of(content, name, Path(), changes)


def run(made: Study, out: Path, **more: Any) -> StudyReport:
    notes: list[str] = []
    report = run_study(made, out, device="cpu", note=notes.append, **more)
    assert report.failed or not any("failed" in line for line in notes)
    return report

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labelcodec.pipeline.projection.adapting import AdaptSettings
from labelcodec.pipeline.projection.projecting import ProjectReport, project
from tests.pipeline import scene

STEPS = 60


def projected(world: Path, target: Path, **more: Any) -> ProjectReport:
    """The world's labels as a function of its images; any option of `project`."""
    given = {
        "source": world / "labels.slc",
        "encoder": scene.SMALL,
        "encoder_weights": world / "teacher.safetensors",
        "encoder_classes": scene.CLASSES,
        "settings": AdaptSettings(steps=STEPS),
        **more,
    }
    return project(given.pop("source"), target, world / "images", given.pop("encoder"), **given)


@pytest.fixture(scope="session")
def tiny(world: Path) -> Path:
    """A projector file of the world's labels."""
    projected(world, world / "tiny.slc")
    return world / "tiny.slc"

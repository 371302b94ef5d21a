from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline import scene


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A folder with images, a teacher's weights and labels of two epochs."""
    root = tmp_path_factory.mktemp("world")
    scene.images(root / "images")
    scene.images(root / "validation", seed=5)
    scene.weights(root / "teacher.safetensors")
    scene.relabel(root / "images", root / "teacher.safetensors", root / "labels.slc")
    return root

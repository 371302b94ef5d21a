from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.pipeline import ranks, scene


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A folder with images, a teacher's weights, its statistics and labels of two epochs."""
    root = tmp_path_factory.mktemp("world")
    scene.images(root / "images")
    scene.images(root / "validation", seed=5)
    scene.weights(root / "teacher.safetensors")
    scene.relabel(root / "images", root / "teacher.safetensors", root / "labels.slc")
    ranks.statistics(root / "images", root / "statistics")
    return root


@pytest.fixture(autouse=True, scope="module")
def one_thread_for_fixtures() -> Iterator[None]:
    """What a module's fixtures compute is compared with what its tests compute on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the processes the tests start have: sums in another order differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

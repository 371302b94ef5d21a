"""What is told of a teacher before a projector is trained to it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from labelcodec.pipeline import AdaptSettings, project_teacher
from tests.pipeline import scene


class Changed(nn.Module):
    """The world's teacher with changed logits."""

    def __init__(self, world: Path, change) -> None:
        super().__init__()
        self.model, self.change = scene.teacher(world / "teacher.safetensors").model, change

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.change(self.model(images))


def notes_of(world: Path, target: Path, change, **more) -> list[str]:
    """Notes of a projector of the world's images."""
    notes: list[str] = []
    options = {"image_size": scene.SIDE, "mix": None, "scale": None, "batch_size": 4, "epochs": 4}
    project_teacher(
        world / "images", target, Changed(world, change), scene.SMALL,
        encoder_weights=world / "teacher.safetensors", encoder_classes=scene.CLASSES,
        normalisation=scene.NORMALISATION, settings=AdaptSettings(steps=1), note=notes.append,
        **(options | more),
    )  # fmt: skip
    return notes


def test_a_good_teacher_is_told_nothing(world, tmp_path) -> None:
    assert notes_of(world, tmp_path / "p.slc", lambda logits: logits) == []


def test_another_order_of_classes_is_told(world, tmp_path) -> None:
    (note,) = notes_of(world, tmp_path / "p.slc", lambda logits: logits.roll(1, dims=1))
    assert "classes or images are in another order" in note


def test_probabilities_are_told(world, tmp_path) -> None:
    (note,) = notes_of(world, tmp_path / "p.slc", lambda logits: logits.softmax(1))
    assert note.startswith("the teacher returns probabilities")


def test_folders_taken_as_the_first_classes_are_told(world, tmp_path) -> None:
    def wider(logits: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(logits, (0, 3), value=-9.0)

    (note,) = notes_of(world, tmp_path / "p.slc", wider, classes=scene.CLASSES + 3)
    assert "are taken as the first of the teacher's 9 classes" in note

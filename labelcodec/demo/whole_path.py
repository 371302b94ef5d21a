"""Full pipeline on drawn characters: teacher, relabelling, recoding, one student per codec."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import labelcodec.pipeline.training as training
from labelcodec.analysis import Breakdown, Fidelity, compare_sets
from labelcodec.analysis.breakdown import stats as breakdown
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.demo.strokes import SIDE, write_folder
from labelcodec.demo.teacher import train_teacher
from labelcodec.images import list_images
from labelcodec.pipeline import training_recipe as recipes
from labelcodec.pipeline.distributed import process
from labelcodec.pipeline.evaluation import EvaluationImages, score_model
from labelcodec.pipeline.models import build
from labelcodec.pipeline.relabelling_run import relabel_listing
from labelcodec.pipeline.teacher import load_teacher
from labelcodec.progress import Progress
from labelcodec.reader import open as open_containers
from labelcodec.transcode.recode_container import recode

Stages = Callable[[str], Progress | None]
NORMALISATION = {"mean": [0.15] * 3, "std": [0.3] * 3}
MODEL, RECIPE, RATE = "convnet", "omniglot242", 3e-3
HARD = "topk:k=1"
FULL_LABELS = "full"
# Name of the files of each codec.
CODECS = {"dense": FULL_LABELS, "transform:bytes=12": "small", "topk:k=10": "top10", HARD: "top1"}
DISTILLED = range(2)  # writers of the images to relabel
TESTERS = range(100, 110)  # writers of the test images


@dataclass(frozen=True)
class Size:
    """Size of the demo.

    Attributes:
        characters: C, number of characters.
        writers: number of writers of the teacher's training images.
        teacher_epochs: epochs of the teacher.
        epochs: T, epochs of the students.
        keep: share of the T epochs' batches that is labelled, above 0 and up to 1.
        batch: images per batch.
    """

    characters: int = 100
    writers: int = 16
    teacher_epochs: int = 30
    epochs: int = 150
    keep: float = 0.2
    batch: int = 100


FULL = Size()


@dataclass(frozen=True)
class Outcome:
    """Storage, fidelity and student accuracy of a codec.

    Attributes:
        codec: codec spec.
        storage: breakdown of the container's bytes.
        fidelity: fidelity of the decoded labels to the teacher's.
        top1: top-1 accuracy of the student on the test images, 0..1.
    """

    codec: str
    storage: Breakdown
    fidelity: Fidelity
    top1: float

    @property
    def actual_rate(self) -> float | None:
        """Actual rate against the raw bytes of all T epochs; None without labels."""
        return self.storage.actual_rate_kept_epochs or self.storage.actual_rate

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return {
            "codec": self.codec,
            "bytes_per_label": self.storage.bytes_per_label,
            "theoretical_rate": self.storage.theoretical_rate,
            "actual_rate": self.actual_rate,
            "fidelity": self.fidelity.to_json(),
            "top1": self.top1,
        }


@dataclass(frozen=True)
class Students:
    """Result of the demo.

    Attributes:
        size: size of the demo.
        teacher: top-1 accuracy of the teacher on the test images, 0..1.
        outcomes: one per codec.
    """

    size: Size
    teacher: float
    outcomes: tuple[Outcome, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        rows = [outcome.to_json() for outcome in self.outcomes]
        size = dataclasses.asdict(self.size)
        return {"size": size, "teacher_top1": self.teacher, "codecs": rows}


def run(size: Size, stages: Stages, work: Path) -> Students:
    """Run the pipeline.

    Args:
        size: size of the demo.
        stages: called with the name of each stage; returns the stage's progress function, or None.
        work: existing folder for the images, the labels of each codec and the students.
    """
    _draw(work, size, stages("draw"))
    teacher = _teach(work, size, stages("teacher"))
    _label(work, size, stages("relabel"))
    outcomes = []
    for codec, name in CODECS.items():
        progress = stages(f"student of {codec}")
        if name != FULL_LABELS:
            recode(work / f"{FULL_LABELS}.slc", work / f"{name}.slc", codec)
        outcomes.append(_outcome(work, codec, _train(work, codec, size, progress)))
    return Students(size, teacher, tuple(outcomes))


def _draw(work: Path, size: Size, progress: Progress | None) -> None:
    folders = {"train": range(size.writers), "images": DISTILLED, "test": TESTERS}
    for i, (name, writers) in enumerate(folders.items()):
        write_folder(work / name, size.characters, writers)
        if progress is not None:
            progress(i + 1, len(folders))


def _augmented(images: int, size: Size) -> AugmentationSpec:
    """Crops of at least half the area and CutMix; no flips, which would change the character."""
    side = (SIDE, SIDE)
    return AugmentationSpec(0, images, size.batch, side, side, scale=(0.5, 1.0), flip=None)


def _teach(work: Path, size: Size, progress: Progress | None) -> float:
    listing = list_images(work / "train")
    torch.manual_seed(0)
    model = build(MODEL, size.characters)
    train_teacher(
        model,
        listing,
        replace(_augmented(len(listing), size), mix=None),
        NORMALISATION,
        epochs=size.teacher_epochs,
        rate=RATE,
        progress=progress,
    )
    torch.save(model.state_dict(), work / "teacher.pt")
    images = EvaluationImages(work / "test", (SIDE, SIDE), "bilinear", False, size.characters)
    return score_model(model, images, NORMALISATION).top1


def _label(work: Path, size: Size, progress: Progress | None) -> None:
    listing = list_images(work / "images")
    with process("cpu") as this_process:
        teacher = load_teacher(
            MODEL,
            work / "teacher.pt",
            size.characters,
            this_process.device,
            normalisation=NORMALISATION,
            autocast=None,
            precision="float16",
        )
        relabel_listing(
            teacher,
            listing,
            work / f"{FULL_LABELS}.slc",
            _augmented(len(listing), size),
            this_process,
            epochs=size.epochs,
            keep=size.keep,
            codec="dense",
            progress=progress,
        )


def _train(work: Path, codec: str, size: Size, progress: Progress | None) -> float:
    changes: dict[str, Any] = {"epochs": size.epochs, "calibrated": False}
    if codec == HARD:  # a temperature has no effect on top-1 labels
        changes["temperature"] = 1.0
    report = training.train(
        work / f"{CODECS[codec]}.slc",
        work / "images",
        recipes.load_recipe(RECIPE, changes),
        work / f"run-{CODECS[codec]}",
        validate=work / "test",
        validate_every=size.epochs,
        resize=False,
        cache=work / "cache",
        device="cpu",
        progress=progress,
    )
    assert report.scores is not None
    return report.scores.top1


def _outcome(work: Path, codec: str, top1: float) -> Outcome:
    with (
        open_containers(work / f"{FULL_LABELS}.slc") as full,
        open_containers(work / f"{CODECS[codec]}.slc") as reader,
    ):
        fidelity = compare_sets(full, reader).fidelity
        assert fidelity is not None
        return Outcome(codec, breakdown(reader), fidelity, top1)

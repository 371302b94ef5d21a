"""The whole path on drawn characters: a teacher, its labels by codec, a student of each."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import labelcodec.pipeline.train as training
from labelcodec.augment.recipe import Recipe
from labelcodec.demo.strokes import SIDE, write_folder
from labelcodec.demo.teacher import train_teacher
from labelcodec.dumps.recode import recode
from labelcodec.images import list_images
from labelcodec.pipeline import recipe as recipes
from labelcodec.pipeline.distributed import process
from labelcodec.pipeline.evaluate import Centres, evaluate
from labelcodec.pipeline.models import build
from labelcodec.pipeline.relabel import relabel
from labelcodec.pipeline.teacher import load_teacher
from labelcodec.progress import Progress
from labelcodec.reader import open as open_containers
from labelcodec.storage import Breakdown, Fidelity, breakdown, compare_sets

Stages = Callable[[str], Progress | None]
NORMALISATION = {"mean": [0.15] * 3, "std": [0.3] * 3}
MODEL, RECIPE, RATE = "convnet", "omniglot242", 3e-3
HARD = "topk:k=1"
CODECS = ("dense", "transform:bytes=12", "topk:k=10", HARD)
DISTILLED = range(2)  # writers
TESTERS = range(100, 110)


@dataclass(frozen=True)
class Size:
    """How much is drawn and trained.

    Attributes:
        characters: C.
        writers: whose images the teacher learns from.
        teacher_epochs: of the teacher.
        epochs: T, of the students.
        keep: share of the T epochs' batches that is labelled.
        batch: images of a batch.
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
    """What a codec costs and what its student learns.

    Attributes:
        codec: its spec.
        storage: the container's bytes.
        fidelity: how far its labels are from the teacher's.
        top1: share of test images that the student names, 0..1.
    """

    codec: str
    storage: Breakdown
    fidelity: Fidelity
    top1: float

    @property
    def actual_rate(self) -> float | None:
        """Against the raw bytes of all T epochs; None without labels."""
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
    """What the path led to.

    Attributes:
        size: how much was drawn and trained.
        teacher: share of test images that the teacher names, 0..1.
        outcomes: one a codec.
    """

    size: Size
    teacher: float
    outcomes: tuple[Outcome, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        rows = [outcome.to_json() for outcome in self.outcomes]
        size = dataclasses.asdict(self.size)
        return {"size": size, "teacher_top1": self.teacher, "codecs": rows}


def run(size: Size, stages: Stages) -> Students:
    """Draw, teach, label, store, train; leaves nothing behind.

    Args:
        size: how much of it.
        stages: called with the name of each stage; gives what is told of its progress.
    """
    with tempfile.TemporaryDirectory(prefix="labelcodec-demo-") as folder:
        work = Path(folder)
        _draw(work, size, stages("draw"))
        teacher = _teach(work, size, stages("teacher"))
        _label(work, size, stages("relabel"))
        outcomes = []
        for i, codec in enumerate(CODECS):
            if i:
                recode(work / "0.slc", work / f"{i}.slc", codec)
            top1 = _train(work, i, size, stages(f"student of {codec}"))
            outcomes.append(_outcome(work, i, top1))
        return Students(size, teacher, tuple(outcomes))


def _draw(work: Path, size: Size, progress: Progress | None) -> None:
    folders = {"train": range(size.writers), "images": DISTILLED, "test": TESTERS}
    for i, (name, writers) in enumerate(folders.items()):
        write_folder(work / name, size.characters, writers)
        if progress is not None:
            progress(i + 1, len(folders))


def _augmented(images: int, size: Size) -> Recipe:
    """Crops of at least half the area, CutMix, no flips: a mirrored character is another one."""
    side = (SIDE, SIDE)
    return Recipe(0, images, size.batch, side, side, scale=(0.5, 1.0), flip=None)


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
    images = Centres(work / "test", (SIDE, SIDE), "bilinear", False, size.characters)
    return evaluate(model, images, NORMALISATION).top1


def _label(work: Path, size: Size, progress: Progress | None) -> None:
    listing = list_images(work / "images")
    with process("cpu") as here:
        teacher = load_teacher(
            MODEL,
            work / "teacher.pt",
            size.characters,
            here.device,
            normalisation=NORMALISATION,
            autocast=None,
            precision="float16",
        )
        relabel(
            teacher,
            listing,
            work / "0.slc",
            _augmented(len(listing), size),
            here,
            epochs=size.epochs,
            keep=size.keep,
            codec=CODECS[0],
            progress=progress,
        )


def _train(work: Path, number: int, size: Size, progress: Progress | None) -> float:
    changes: dict[str, Any] = {"epochs": size.epochs, "calibrated": False}
    if CODECS[number] == HARD:  # there is nothing in a class alone to read at a temperature
        changes["temperature"] = 1.0
    report = training.train(
        work / f"{number}.slc",
        work / "images",
        recipes.load(RECIPE, changes),
        work / f"run-{number}",
        validate=work / "test",
        validate_every=size.epochs,
        resize=False,
        cache=work / "cache",
        device="cpu",
        progress=None if progress is None else lambda now: progress(now.done, now.total),
    )
    assert report.scores is not None
    return report.scores.top1


def _outcome(work: Path, number: int, top1: float) -> Outcome:
    with (
        open_containers(work / "0.slc") as full,
        open_containers(work / f"{number}.slc") as reader,
    ):
        fidelity = compare_sets(full, reader).fidelity
        assert fidelity is not None
        return Outcome(CODECS[number], breakdown(reader), fidelity, top1)

"""Folder of a training run: its description (`run.json`) and its student."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgpack
from torch import nn

from labelcodec.augmentation.crop.resampling import check_interpolation
from labelcodec.augmentation.limits import check_whole
from labelcodec.errors import ConfigError, LabelcodecError, MismatchError
from labelcodec.files.atomic import atomic_file
from labelcodec.files.regular import read_regular
from labelcodec.header import OWN, REMARKS
from labelcodec.pipeline import training_recipe as recipes
from labelcodec.pipeline.models import build
from labelcodec.pipeline.preprocessing import Preprocessing
from labelcodec.pipeline.training_recipe import TrainingRecipe
from labelcodec.reader import Reader

MALFORMED = ValueError, TypeError, KeyError, AttributeError, RecursionError
CHECKPOINT, LOG, RESULT, FACTS = "checkpoint.pt", "log.jsonl", "student.pt", "run.json"


@dataclass(frozen=True)
class Run:
    """Description of a training run, as stored in `run.json`.

    Attributes:
        recipe: the training settings.
        seed: seed of the initial weights and the batch order.
        classes: C.
        image_size: height, width of the network input.
        interpolation: 'bilinear' or 'bicubic' resizing.
        normalisation: mean and std of inputs in 0..1; None for inputs in 0..1.
        labels: digest of the label set, see `digest`.
        processes: number of processes that trained the student.
        class_names: classes of the image folder, in order; None if the folder lacks some classes
            or they are known by their numbers.
        threads: number of torch threads per process. A run resumed with other numbers has several
            entries, in order of use; a run that did not record it has none.
    """

    recipe: TrainingRecipe
    seed: int
    classes: int
    image_size: tuple[int, int]
    interpolation: str
    normalisation: dict[str, Any] | None
    labels: str
    processes: int
    class_names: list[str] | None = None
    threads: tuple[int, ...] = ()

    def to_map(self) -> dict[str, Any]:
        """Plain values, for JSON and for comparison with a checkpoint."""
        plain = {key: value for key, value in vars(self).items() if key != "recipe"}
        lists = {"image_size": list(self.image_size), "threads": list(self.threads)}
        return plain | {"recipe": self.recipe.to_map(), **lists}

    def after(self, earlier: tuple[int, ...]) -> Run:
        """This run, continued from epochs that were trained with these thread counts."""
        return replace(
            self, threads=earlier if earlier[-1:] == self.threads else earlier + self.threads
        )

    def check(self) -> None:
        """Check values that a file may hold.

        Raises:
            LabelcodecError: an entry has another type or another range.
        """
        Preprocessing.stated(self.image_size, self.interpolation, self.normalisation)
        for name in ("seed", "classes", "processes"):
            check_whole(name, getattr(self, name), 0 if name == "seed" else 1, sys.maxsize)
        check_interpolation(self.interpolation)
        names = self.class_names
        is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not isinstance(self.labels, str) or not (names is None or is_list):
            raise ConfigError("labels are no text, or class names no list of texts")

    def save(self, folder: Path) -> None:
        """Write `run.json`."""
        with atomic_file(folder / FACTS) as file:
            file.write(f"{json.dumps(self.to_map(), indent=2)}\n".encode())


def digest(reader: Reader) -> str:
    """SHA-256 (hex) of a label set's header and index, independent of its sharding."""
    header, index = reader.header.to_map(), reader.index
    common = {key: value for key, value in header.items() if key not in OWN | REMARKS}
    sha256 = hashlib.sha256(msgpack.packb(common))
    for column in (index.number, index.samples, index.size):
        sha256.update(column.astype("<i8").tobytes())
    return sha256.hexdigest()


def load_run(folder: Path) -> Run:
    """Read a run's `run.json`.

    Raises:
        MismatchError: the file is missing or malformed.
    """
    path = folder / FACTS
    try:
        facts = json.loads(read_regular(path, MismatchError, "the description of a run"))
        recipe = recipes.from_map(facts.pop("recipe"), str(path))
        height, width = facts.pop("image_size")
        threads = tuple(map(int, facts.pop("threads", ())))
        run = Run(recipe=recipe, image_size=(int(height), int(width)), threads=threads, **facts)
        run.check()
        return run
    except FileNotFoundError:
        raise MismatchError(
            f"{folder}: not the folder of a training run, {FACTS} is missing"
        ) from None
    except (*MALFORMED, LabelcodecError) as error:
        raise MismatchError(f"{path}: not what a run writes: {error}") from None


def load_student(folder: Path) -> tuple[Run, nn.Module]:
    """Load a finished run: its description and its student.

    Raises:
        MismatchError: the run is not finished, or its files do not fit together.
    """
    run = load_run(folder)
    if not (folder / RESULT).is_file():
        raise MismatchError(f"{folder}: the run is not finished; train it on with `resume=True`")
    return run, build(run.recipe.model, run.classes, folder / RESULT)

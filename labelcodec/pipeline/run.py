"""What a training run leaves in its folder, so that its student can be built again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgpack
from torch import nn

from labelcodec.errors import ConfigError, MismatchError
from labelcodec.header import OWN
from labelcodec.pipeline import recipe as recipes
from labelcodec.pipeline.models import build
from labelcodec.pipeline.recipe import TrainingRecipe
from labelcodec.reader import Reader

CHECKPOINT, LOG, RESULT, FACTS = "checkpoint.pt", "log.jsonl", "student.pt", "run.json"


@dataclass(frozen=True)
class Run:
    """A training run, as `run.json` has it.

    Attributes:
        recipe: how it was trained.
        seed: of its weights and batches.
        classes: C.
        image_size: height, width of the network input.
        interpolation: of resized images.
        normalisation: mean and std of inputs in 0..1, None for none.
        labels: digest of the label set, see `digest`.
        processes: that trained it.
        class_names: of the image folder, in order; None where it has not all classes.
        threads: that torch computed with in a process; several where the run was resumed with
            another number, in order of use, and none where it was not written down.
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
        """Plain values for JSON, and for a checkpoint to be compared with."""
        plain = {key: value for key, value in vars(self).items() if key != "recipe"}
        lists = {"image_size": list(self.image_size), "threads": list(self.threads)}
        return plain | {"recipe": self.recipe.to_map(), **lists}

    def after(self, used: tuple[int, ...]) -> Run:
        """This run, where it goes on from epochs of these threads."""
        return replace(self, threads=used if used[-1:] == self.threads else used + self.threads)

    def save(self, folder: Path) -> None:
        """Write `run.json`."""
        (folder / FACTS).write_text(json.dumps(self.to_map(), indent=2) + "\n")


def digest(reader: Reader) -> str:
    """SHA-256, as hex, of what a label set's header and index say; not of how it is sharded."""
    header, index = reader.header.to_map(), reader.index
    told = {key: value for key, value in header.items() if key not in OWN}
    found = hashlib.sha256(msgpack.packb(told))
    for column in (index.number, index.samples, index.size):
        found.update(column.astype("<i8").tobytes())
    return found.hexdigest()


def load(folder: Path) -> Run:
    """Read a run's `run.json`.

    Raises:
        MismatchError: it is missing or not what a run writes.
    """
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text())
        recipe = recipes.from_map(facts.pop("recipe"), str(path))
        height, width = facts.pop("image_size")
        threads = tuple(map(int, facts.pop("threads", ())))
        return Run(recipe=recipe, image_size=(int(height), int(width)), threads=threads, **facts)
    except FileNotFoundError:
        raise MismatchError(
            f"{folder}: not the folder of a training run, {FACTS} is missing"
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError, ConfigError) as error:
        raise MismatchError(f"{path}: not what a run writes: {error}") from None


def student(folder: Path) -> tuple[Run, nn.Module]:
    """A finished run and its student.

    Raises:
        MismatchError: the run is not finished, or its files do not fit each other.
    """
    run = load(folder)
    if not (folder / RESULT).is_file():
        raise MismatchError(f"{folder}: the run is not finished; train it on with --resume")
    return run, build(run.recipe.model, run.classes, folder / RESULT)

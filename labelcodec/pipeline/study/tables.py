"""The settings of a cell of a study: a data class per table of the study file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from labelcodec.codecs import registry
from labelcodec.errors import ConfigError
from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.study.value_types import checked
from labelcodec.pipeline.training_recipe import TrainingRecipe, load_recipe


@dataclass(frozen=True)
class TeacherTable:
    """`[teacher]`: the network that images are recovered from and that labels them.

    Attributes:
        model: its name, as in `labelcodec.pipeline.models.build`.
        weights: file of its weights; None where the model brings its own.
        weights_key: where in that file they are, see `load_weights`.
        output: name of the output that is the logits, for a model that returns several.
        classes: C; None for the number of classes of the training images.
        class_map: file of its classes, where they are not the sorted class folders.
        image_size: height and width of its input in pixels; None takes that of the model's own
            configuration. The same holds for the rest.
        interpolation: 'bilinear' or 'bicubic'.
        mean: mean of each channel of inputs in 0..1.
        std: standard deviation of each channel.
    """

    model: str | None = None
    weights: str | None = None
    weights_key: str | None = None
    output: str | None = None
    classes: int | None = None
    class_map: str | None = None
    image_size: int | None = None
    interpolation: Literal["bilinear", "bicubic"] | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.std is None):
            raise ConfigError("mean and std go together")


@dataclass(frozen=True)
class DataTable:
    """`[data]`: the image folders.

    Attributes:
        train: training images, one sub-folder per class.
        test: images that students are scored on.
        resize: whether images are resized and cropped for scores, see `EvaluationImages`.
    """

    train: str | None = None
    test: str | None = None
    resize: bool = True


@dataclass(frozen=True)
class SqueezeTable:
    """`[squeeze]`: parameters of `squeeze`."""

    epochs: int = 1
    momentum: float | None = None
    batch_size: int = 256
    scale: tuple[float, float] | None = (0.08, 1.0)
    flip: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class RecoverTable(RecoverySettings):
    """`[recover]`: parameters of `recover`; without the table the training images are labelled.

    Attributes:
        png: PNG files in place of JPEG.
        quality: JPEG quality, 1..100.
    """

    png: bool = False
    quality: int = 90


@dataclass(frozen=True)
class RelabelTable:
    """`[relabel]`: parameters of `relabel`.

    Attributes:
        epochs: T; None for the epochs that the student trains for.
        keep: share of the batches to keep, above 0 and up to 1.
        space: whether 'logits' or 'probabilities' (their softmax) are stored.
    """

    epochs: int | None = None
    keep: float = 1.0
    batch_size: int = 128
    scale: tuple[float, float] | None = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    mix: Literal["cutmix", "mixup"] | None = "cutmix"
    alpha: float = 1.0
    cutout: float | None = None
    operations: int = 0
    magnitude: float = 6.0
    autocast: Literal["float16", "bfloat16"] | None = None
    precision: Literal["float16", "bfloat16", "float32"] = "float16"
    seed: int = 0
    space: Literal["logits", "probabilities"] = "logits"

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ConfigError(f"`keep` is {self.keep:g}, allowed is a share above 0, up to 1")
        if not math.isfinite(self.alpha):
            raise ConfigError(f"`alpha` is {self.alpha}, allowed are finite numbers")


@dataclass(frozen=True)
class DiversityTable:
    """`[diversity]`: the model in whose features images are compared; without it they are not.

    Attributes:
        model: its name; None for the teacher.
        weights: file of its weights.
        weights_key: where in that file they are.
        bandwidth: of the Gaussian kernel; None for the median distance, which differs between image
            sets, so that their MMDs cannot be compared.
    """

    model: str | None = None
    weights: str | None = None
    weights_key: str | None = None
    bandwidth: float | None = None


@dataclass(frozen=True)
class Settings:
    """All settings of a cell.

    Attributes:
        teacher, data, squeeze, recover, relabel, diversity: the tables.
        codec: codec spec of the labels, in the spelling of `registry.spec_of`.
        train: the recipe of the student.
        seed: seed of the student's training. Recovered images and labels have seeds of their own.
    """

    teacher: TeacherTable = field(default_factory=TeacherTable)
    data: DataTable = field(default_factory=DataTable)
    squeeze: SqueezeTable = field(default_factory=SqueezeTable)
    recover: RecoverTable | None = None
    relabel: RelabelTable = field(default_factory=RelabelTable)
    codec: str = "dense"
    train: TrainingRecipe = field(default_factory=TrainingRecipe)
    diversity: DiversityTable | None = None
    seed: int = 0

    @property
    def epochs(self) -> int:
        """T, the epochs that labels are made for."""
        return self.relabel.epochs or self.train.epochs


TABLES: dict[str, type] = {
    "teacher": TeacherTable,
    "data": DataTable,
    "squeeze": SqueezeTable,
    "recover": RecoverTable,
    "relabel": RelabelTable,
    "train": TrainingRecipe,
    "diversity": DiversityTable,
}
VALUES = ("codec", "seed")
RECIPE = "lpqld-in1k"  # of students, where `train.recipe` does not say


def keys_of(table: str) -> list[str]:
    """Names of the settings of a table."""
    names = [field.name for field in fields(TABLES[table])]
    return ["recipe", *names] if table == "train" else names


def settings_of(plain: Mapping[str, Any], folder: Path, where: str) -> Settings:
    """Settings of a cell from plain values, checked; missing ones take their defaults.

    Args:
        plain: tables by name, and `codec` and `seed`.
        folder: folder that the recipe's file is looked for in.
        where: what the settings are of, for error messages.

    Raises:
        ConfigError: an unknown setting, or a value that is not allowed.
    """
    seed = plain.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(f"{where}: seed={seed!r} is not a whole number of 0 or more")
    tables: dict[str, Any] = {}
    for name, kind in TABLES.items():
        if name in plain and name != "train":
            tables[name] = checked(kind, plain[name], f"{where}: {name}")
    try:
        codec = registry.spec_of(registry.parse(str(plain.get("codec", "dense"))))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    train = _recipe(plain.get("train", {}), folder, where)
    return Settings(**tables, codec=codec, train=train, seed=seed)


def _recipe(table: Mapping[str, Any], folder: Path, where: str) -> TrainingRecipe:
    changes = dict(table)
    name = str(changes.pop("recipe", RECIPE))
    try:
        return load_recipe(str(folder / name) if name.endswith(".toml") else name, changes)
    except ConfigError as error:
        raise ConfigError(f"{where}: train: {error}") from None

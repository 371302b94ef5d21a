"""How a student is trained: everything that changes the result, in one TOML file."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from labelcodec.errors import ConfigError
from labelcodec.pipeline.schedules import TemperatureSchedule

RECIPES = resources.files("labelcodec.pipeline") / "recipes"
CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": ("adamw", "sgd"),
    "loss": ("kl", "mse", "cosine"),
    "order": ("pool", "recorded"),
    "kind": ("step", "cosine", "constant"),
}


@dataclass(frozen=True)
class TrainingRecipe:
    """Training settings; the defaults are LPQLD's for ImageNet-1K (arXiv 2604.18135).

    Attributes:
        model: the student, a name as in `models.build`.
        epochs: T.
        batches_per_epoch: recorded batches an epoch; by default as many as hold as many samples as
            there are images, on average: partial batches are drawn like the others.
        batch_size: samples of an optimiser step; by default those of a recorded batch.
        micro_batch: samples that pass through the model at once; by default all of a part.
        order: 'pool' draws each epoch's batches at random out of all stored ones, 'recorded' takes
            them in the order they were made.
        optimizer: 'adamw' or 'sgd'.
        learning_rate: of the first epoch.
        weight_decay: decoupled with adamw.
        momentum: of sgd.
        warmup: epochs of linear rise.
        stretch: how many times longer than the run the cosine of the learning rate is.
        loss: 'kl', 'mse' (of logits) or 'cosine' (GIFT).
        smoothing: share of the uniform distribution mixed into labels, 0..1.
        ema: decay of a moving average of the weights, which is then the one evaluated; 0 for none.
        calibrated: give the student a temperature of its own (calibrated alignment).
        temperature: of the labels, epoch by epoch (dynamic knowledge reuse).
    """

    model: str = "torchvision/resnet18"
    epochs: int = 300
    batches_per_epoch: int | None = None
    batch_size: int | None = None
    micro_batch: int | None = None
    order: Literal["pool", "recorded"] = "pool"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    momentum: float = 0.9
    warmup: float = 0.0
    stretch: float = 1.0
    loss: Literal["kl", "mse", "cosine"] = "kl"
    smoothing: float = 0.0
    ema: float = 0.0
    calibrated: bool = True
    temperature: TemperatureSchedule = field(default_factory=TemperatureSchedule)

    def __post_init__(self) -> None:
        for name in ("epochs", "batches_per_epoch", "batch_size", "micro_batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"recipe: {name}={value}, allowed are 1 and more")
        for name in ("smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"recipe: {name}={getattr(self, name)}, allowed are 0..1")
        for name in ("learning_rate", "stretch"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"recipe: {name}={getattr(self, name)}, allowed are above 0")
        for name in ("weight_decay", "momentum", "warmup"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"recipe: {name}={getattr(self, name)}, allowed are 0 and more")

    def to_map(self) -> dict[str, Any]:
        """The recipe as plain values, to be written down beside a result."""
        return dataclasses.asdict(self)


def names() -> list[str]:
    """Names of the recipes that come with the library."""
    found = RECIPES.iterdir()
    return sorted(entry.name.removesuffix(".toml") for entry in found)


# Settings of the temperature that say nothing where it is of this kind.
IDLE = {"constant": {"last", "factor", "every"}, "cosine": {"factor", "every"}}


def load(name: str, changes: Mapping[str, Any] | None = None) -> TrainingRecipe:
    """A recipe by name or from a TOML file.

    Args:
        name: one of `names()`, or the path of a file.
        changes: settings that replace the file's, those of a table one by one.

    Raises:
        ConfigError: no such recipe, no TOML, or a setting that does not exist or has a wrong value.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise ConfigError(f"{path}: no such recipe file")
        text = path.read_text(encoding="utf-8", errors="replace")
    elif name in names():
        text = (RECIPES / f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise ConfigError(
            f"unknown recipe {name!r}; there are {', '.join(names())}, or a .toml file"
        )
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None
    recipe = from_map(merged(settings, changes or {}), name)
    wanted = (changes or {}).get("temperature")
    idle = IDLE.get(recipe.temperature.kind, set())
    if isinstance(wanted, Mapping) and (useless := sorted(wanted.keys() & idle)):
        raise ConfigError(
            f"{name}: temperature.{useless[0]} changes nothing where temperature.kind is "
            f"{recipe.temperature.kind!r}; set the kind, too"
        )
    return recipe


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with changes put in; tables of the same name become one."""
    result = dict(settings)
    for name, value in changes.items():
        before: Any = result.get(name)
        if name == "temperature":
            before = _table(before)
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        result[name] = merged(before, value) if both else value
    return result


def _table(temperature: Any) -> Any:
    """A temperature that is a number as the table it stands for; anything else as it is."""
    if isinstance(temperature, int | float) and not isinstance(temperature, bool):
        return {"kind": "constant", "first": float(temperature)}
    return temperature


def from_map(settings: Mapping[str, Any], where: str) -> TrainingRecipe:
    """A recipe of plain values.

    Raises:
        ConfigError: a setting that does not exist or has a wrong value.
    """
    given = dict(settings)
    temperature = _table(given.pop("temperature", {}))
    if not isinstance(temperature, Mapping):
        raise ConfigError(f"{where}: temperature must be a number or a table")
    schedule = TemperatureSchedule(**_checked(TemperatureSchedule, temperature, where))
    return TrainingRecipe(temperature=schedule, **_checked(TrainingRecipe, given, where))


def _checked(kind: type, settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings that the data class has, each of the type of its field."""
    types = {field.name: str(field.type) for field in fields(kind)}
    checked: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in types:
            raise ConfigError(f"{where}: unknown setting {name!r}; there are {', '.join(types)}")
        if name in CHOICES and value not in CHOICES[name]:
            raise ConfigError(f"{where}: {name}={value!r}, allowed are {', '.join(CHOICES[name])}")
        checked[name] = _converted(name, value, types[name], where)
    return checked


def _converted(name: str, value: Any, wanted: str, where: str) -> Any:
    if value is None and "None" in wanted:
        return None
    if wanted == "bool":
        good = isinstance(value, bool)
    elif "int" in wanted:
        good = isinstance(value, int) and not isinstance(value, bool)
    elif wanted == "float":
        good = isinstance(value, int | float) and not isinstance(value, bool)
        value = float(value) if good else value
        if good and not math.isfinite(value):
            raise ConfigError(f"{where}: {name}={value} is not finite")
    else:
        good = isinstance(value, str)
    if not good:
        raise ConfigError(f"{where}: {name}={value!r} is not of type {wanted}")
    return value

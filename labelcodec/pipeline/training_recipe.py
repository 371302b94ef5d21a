"""Training recipes: all settings that affect a student, in one TOML file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from labelcodec.errors import ConfigError
from labelcodec.losses.phases import Loss, Objective, Phase, first_epochs, phase_at
from labelcodec.pipeline.schedules import TemperatureSchedule
from labelcodec.pipeline.stage_recipe import STAGES, recipe_tables

CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": ("adamw", "sgd"),
    "loss": ("kl", "mse", "cosine", "hard"),
    "order": ("pool", "recorded", "epoch"),
    "kind": ("step", "cosine", "constant"),
    "precision": ("float32", "bfloat16", "float16"),
}
# Settings that earlier versions did not record, with the values that mean what those versions did.
ADDED_SETTINGS: dict[str, Any] = {
    "phases": [],
    "precision": "float32",
    "clip": 0.0,
    "compile": False,
}


@dataclass(frozen=True)
class TrainingRecipe:
    """Training settings; the defaults are LPQLD's for ImageNet-1K (arXiv 2604.18135).

    Attributes:
        model: the student, a name as in `labelcodec.pipeline.models.build`.
        epochs: T, 1 or more.
        batches_per_epoch: recorded batches per epoch; default: as many as hold, on average, as many
            samples as there are images, partial batches counting like full ones. Not with order
            'epoch'.
        batch_size: samples per optimiser step; default: one recorded batch.
        micro_batch: largest number of samples per forward and backward pass (gradient
            accumulation); default: no limit.
        order: 'pool' samples each epoch's batches at random from all stored ones, 'recorded' takes
            them in recorded order, 'epoch' replays one stored epoch, chosen at random; see
            `BatchOrder`.
        optimizer: 'adamw' or 'sgd'.
        learning_rate: base learning rate, above 0; the schedule multiplies it.
        weight_decay: 0 or more; decoupled for adamw.
        momentum: momentum of sgd, 0 or more.
        warmup: epochs of linear warm-up, 0 or more.
        stretch: length of the learning rate's cosine relative to the run, above 0.
        loss: 'kl', 'mse' (on logits), 'cosine' (GIFT), or 'hard': cross-entropy to the image's
            class, and to its partner's by its share of a mixed image. Not used with `phases`.
        smoothing: share of the uniform distribution mixed into the labels of losses 'kl' and
            'hard', from 0 to below 1.
        ema: decay of an exponential moving average of the weights, which is then evaluated instead
            of the model, from 0 to below 1; 0 for none.
        calibrated: use a separate student temperature (calibrated alignment; loss 'kl' only).
        temperature: temperature of the labels per epoch (dynamic knowledge reuse).
        precision: 'float32'; or 'bfloat16' or 'float16' for mixed precision (autocast), the latter
            with loss scaling; images then have the channels-last memory format.
        clip: largest norm of the gradient of a step, 0 or more; 0 for no clipping.
        compile: run the student through `torch.compile`.
        phases: consecutive parts of the run with losses of their own; none for one loss throughout.
            All other settings, and the schedules, span the whole run.

    Raises:
        ConfigError: a value is out of range.
    """

    model: str = "torchvision/resnet18"
    epochs: int = 300
    batches_per_epoch: int | None = None
    batch_size: int | None = None
    micro_batch: int | None = None
    order: Literal["pool", "recorded", "epoch"] = "pool"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    momentum: float = 0.9
    warmup: float = 0.0
    stretch: float = 1.0
    loss: Loss = "kl"
    smoothing: float = 0.0
    ema: float = 0.0
    calibrated: bool = True
    temperature: TemperatureSchedule = field(default_factory=TemperatureSchedule)
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    clip: float = 0.0
    compile: bool = False
    phases: tuple[Phase, ...] = ()

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
        for name in ("weight_decay", "momentum", "warmup", "clip"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"recipe: {name}={getattr(self, name)}, allowed are 0 and more")
        if self.order == "epoch" and self.batches_per_epoch is not None:
            raise ConfigError(
                f"recipe: batches_per_epoch={self.batches_per_epoch} does not go with "
                "order='epoch', whose epochs have the batches that are stored of them"
            )
        if self.phases:
            first_epochs(self.phases, self.epochs)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The losses, in order of use."""
        return tuple(phase.loss for phase in self.phases) or (self.loss,)

    def objective_at(self, epoch: int) -> Objective:
        """Loss and smoothing of an epoch, counted from 0."""
        if not self.phases:
            return Objective(self.loss, self.smoothing)
        phase = phase_at(self.phases, epoch, self.epochs)
        smoothing = self.smoothing if phase.smoothing is None else phase.smoothing
        return Objective(phase.loss, smoothing)

    def to_map(self) -> dict[str, Any]:
        """Plain values, to be stored beside a result."""
        values = dataclasses.asdict(self)
        return values | {"phases": list(values["phases"])}


# Temperature settings that have no effect for each kind of schedule.
NO_EFFECT = {"constant": {"last", "factor", "every"}, "cosine": {"factor", "every"}}


def load_recipe(name: str, changes: Mapping[str, Any] | None = None) -> TrainingRecipe:
    """Load a recipe by name or from a TOML file.

    Args:
        name: one of `recipe_names()`, or the path of a .toml file.
        changes: settings that override the file's; tables are merged.

    Raises:
        ConfigError: no such recipe, invalid TOML, an unknown setting or a value that is not
            allowed, or a changed setting that has no effect.
    """
    tables = recipe_tables(name)
    settings = {key: value for key, value in tables.items() if key not in STAGES}
    changes = changes or {}
    if changes.get("phases"):
        settings.pop("loss", None)  # the phases replace it
    recipe = from_map(merge_settings(settings, changes), name)
    if recipe.phases and ("loss" in changes or "loss" in settings):
        raise ConfigError(
            f"{name}: loss changes nothing where the recipe has phases, which have losses of their "
            "own; set phases=[] as well, for one loss throughout"
        )
    temperature_changes = changes.get("temperature")
    no_effect = NO_EFFECT.get(recipe.temperature.kind, set())
    if isinstance(temperature_changes, Mapping) and (
        unused := sorted(temperature_changes.keys() & no_effect)
    ):
        raise ConfigError(
            f"{name}: temperature.{unused[0]} changes nothing where temperature.kind is "
            f"{recipe.temperature.kind!r}; set the kind, too"
        )
    return recipe


def merge_settings(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with changes applied; tables of the same name are merged recursively."""
    result = dict(settings)
    for name, value in changes.items():
        previous: Any = result.get(name)
        if name == "temperature":
            previous = _temperature_table(previous)
        both = isinstance(value, Mapping) and isinstance(previous, Mapping)
        result[name] = merge_settings(previous, value) if both else value
    return result


def _temperature_table(temperature: Any) -> Any:
    """The table of a constant temperature given as a number; anything else unchanged."""
    if isinstance(temperature, int | float) and not isinstance(temperature, bool):
        return {"kind": "constant", "first": float(temperature)}
    return temperature


def from_map(settings: Mapping[str, Any], where: str) -> TrainingRecipe:
    """Recipe from plain values, the inverse of `TrainingRecipe.to_map`.

    Args:
        settings: the settings; missing ones take their defaults.
        where: source of the settings, for error messages.

    Raises:
        ConfigError: an unknown setting, or a value that is not allowed.
    """
    remaining = dict(settings)
    temperature = _temperature_table(remaining.pop("temperature", {}))
    if not isinstance(temperature, Mapping):
        raise ConfigError(f"{where}: temperature must be a number or a table")
    schedule = TemperatureSchedule(**_checked(TemperatureSchedule, temperature, where))
    phases = _phases(remaining.pop("phases", ()), where)
    return TrainingRecipe(
        temperature=schedule, phases=phases, **_checked(TrainingRecipe, remaining, where)
    )


def _phases(tables: Any, where: str) -> tuple[Phase, ...]:
    """Phases from a list of tables."""
    if not isinstance(tables, list | tuple) or not all(isinstance(t, Mapping) for t in tables):
        raise ConfigError(
            f"{where}: phases={tables!r} must be a list of tables, such as "
            '[{share=0.5, loss="kl"}, {share=0.5, loss="hard"}]'
        )
    phases = []
    for number, table in enumerate(tables, 1):
        phase = f"{where}: phase {number}"
        if absent := sorted({"share", "loss"} - table.keys()):
            raise ConfigError(f"{phase} has no {absent[0]}")
        phases.append(Phase(**_checked(Phase, table, phase)))
    return tuple(phases)


def _checked(kind: type, settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings checked against the fields of a data class and converted to their types."""
    types = {field.name: str(field.type) for field in fields(kind)}
    checked: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in types:
            raise ConfigError(f"{where}: unknown setting {name!r}; there are {', '.join(types)}")
        if name in CHOICES and value not in CHOICES[name]:
            raise ConfigError(f"{where}: {name}={value!r}, allowed are {', '.join(CHOICES[name])}")
        checked[name] = _converted(name, value, types[name], where)
    return checked


def _converted(name: str, value: Any, type_name: str, where: str) -> Any:
    if value is None and "None" in type_name:
        return None
    if type_name == "bool":
        is_valid = isinstance(value, bool)
    elif "int" in type_name:
        is_valid = isinstance(value, int) and not isinstance(value, bool)
    elif type_name.startswith("float"):
        is_valid = isinstance(value, int | float) and not isinstance(value, bool)
        value = float(value) if is_valid else value
        if is_valid and not math.isfinite(value):
            raise ConfigError(f"{where}: {name}={value} is not finite")
    else:
        is_valid = isinstance(value, str)
    if not is_valid:
        raise ConfigError(f"{where}: {name}={value!r} is not of type {type_name}")
    return value

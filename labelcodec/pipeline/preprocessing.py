"""How a teacher sees images: its own configuration, where it has one, and what the caller says."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import nn

from labelcodec.augmentation.crop.resampling import INTERPOLATIONS
from labelcodec.checks import check_normalisation
from labelcodec.errors import ConfigError, DataError
from labelcodec.images.decoding import MAX_SIDE


@dataclass(frozen=True)
class Preprocessing:
    """How images become a network's inputs; None where it is not known.

    Attributes:
        image_size: height, width of the input in pixels.
        interpolation: 'bilinear' or 'bicubic' resizing of crops.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1.
    """

    image_size: tuple[int, int] | None = None
    interpolation: str | None = None
    normalisation: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_normalisation(self.normalisation)

    @classmethod
    def stated(
        cls,
        image_size: int | tuple[int, int] | None,
        interpolation: str | None,
        normalisation: Mapping[str, Any] | None,
    ) -> Preprocessing:
        """What a caller says, where one number stands for a square.

        Raises:
            ConfigError: a side is not 1..65535.
            DataError: not a normalisation.
        """
        size = (image_size, image_size) if isinstance(image_size, int) else image_size
        if size is not None and not 1 <= min(size) <= max(size) <= MAX_SIDE:
            raise ConfigError(f"`image_size` is {size}: sides of 1 to {MAX_SIDE} are needed")
        return cls(size, interpolation, normalisation)


USUAL = Preprocessing((224, 224), "bilinear", None)


def own_preprocessing(model: nn.Module, name: str) -> Preprocessing:
    """The preprocessing that a model's own configuration states.

    timm's models have a `pretrained_cfg`, open_clip's image towers a `preprocess_cfg`; torchvision
    keeps that of its default weights beside each model. Values that cannot be used are left out.

    Args:
        model: the model.
        name: its name, as in `models.build`.
    """
    config = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    if isinstance(config, Mapping):
        size = config.get("input_size")
        height_width = size[-2:] if isinstance(size, (tuple, list)) and len(size) == 3 else None
        return _usable(height_width, config.get("interpolation"), config)
    tower = getattr(getattr(model, "visual", None), "preprocess_cfg", None)
    if isinstance(tower, Mapping):
        size = tower.get("size")
        return _usable(2 * [size] if isinstance(size, int) else size, None, tower)
    library, _, architecture = name.partition("/")
    if library != "torchvision":
        return Preprocessing()
    try:
        models = importlib.import_module("torchvision.models")
        preset = models.get_model_weights(architecture).DEFAULT.transforms()
        mode = getattr(preset.interpolation, "value", None)
        values = {"mean": preset.mean, "std": preset.std}
        return _usable(2 * list(preset.crop_size), mode, values)
    except (ImportError, AttributeError, ValueError, TypeError, KeyError):
        return Preprocessing()  # an architecture without published weights


def resolved(
    given: Preprocessing, own: Preprocessing, usual: Preprocessing, teacher: str
) -> tuple[Preprocessing, tuple[str, ...]]:
    """What the caller says, else what the teacher's configuration says, else what is usual.

    Args:
        given: the caller's settings.
        own: those of the teacher's configuration.
        usual: what is taken where neither says anything.
        teacher: name of the teacher, for notes.

    Returns:
        The settings, and notes on where they come from if the teacher has a configuration.
    """
    taken: dict[str, Any] = {}
    notes, from_teacher = [], []
    for name in (field.name for field in fields(Preprocessing)):
        passed, stated = getattr(given, name), getattr(own, name)
        taken[name] = next(
            (value for value in (passed, stated) if value is not None), getattr(usual, name)
        )
        if stated is None:
            continue
        if passed is None:
            from_teacher.append(f"{name.replace('_', ' ')} {_text(stated)}")
        elif not _same(passed, stated):
            notes.append(
                f"{teacher}: its own configuration says {name.replace('_', ' ')} {_text(stated)}, "
                f"not {_text(passed)}; leave `{name}` out if the teacher was trained as its "
                "configuration says"
            )
    if from_teacher:
        notes.insert(0, f"{teacher}: taken from its own configuration: {', '.join(from_teacher)}")
    return replace(usual, **taken), tuple(notes)


def _usable(size: Any, interpolation: Any, values: Mapping[str, Any]) -> Preprocessing:
    """The parts of a configuration that can be replayed."""
    found = Preprocessing()
    if size is not None and all(isinstance(side, int) and side > 0 for side in size[:2]):
        found = replace(found, image_size=(size[0], size[1]))
    if interpolation in INTERPOLATIONS:
        found = replace(found, interpolation=interpolation)
    if values.get("mean") is not None and values.get("std") is not None:
        normalisation = {key: list(map(float, values[key])) for key in ("mean", "std")}
        try:
            check_normalisation(normalisation)
        except DataError:
            return found
        found = replace(found, normalisation=normalisation)
    return found


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return all(list(left[key]) == list(right[key]) for key in ("mean", "std"))
    return bool(left == right)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {' '.join(f'{x:g}' for x in value[key])}" for key in value)
    return " x ".join(map(str, value)) if isinstance(value, tuple) else str(value)

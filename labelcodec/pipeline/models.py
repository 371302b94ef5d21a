"""Models by name: built-in, torchvision, timm, a model file, or a user's function."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from labelcodec.batch import MAX_CLASSES
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.pipeline.networks import CifarResNet, convnet
from labelcodec.pipeline.weights import load_weights
from labelcodec.wording import counted

OWN: dict[str, Callable[[int], nn.Module]] = {
    "convnet": convnet,
    "resnet20": partial(CifarResNet, 3),
    "resnet56": partial(CifarResNet, 9),
}
FORCE_SAFE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
EXPORTED = ".pt2"
FILES = (".pt", ".pth", ".ts", EXPORTED)
OPEN_CLIP = "open_clip"
NAMES = f"{', '.join(OWN)}, torchvision/NAME, timm/NAME, {OPEN_CLIP}/NAME, module:callable, or a "
NAMES += "TorchScript (.pt, "
NAMES += ".ts) or exported (.pt2) file"


def build(
    name: str, classes: int, weights: Path | None = None, weights_key: str | None = None
) -> nn.Module:
    """Build a model that maps (B, 3, H, W) images to (B, C) logits.

    Args:
        name: a built-in model (convnet, resnet20, resnet56), 'torchvision/resnet18',
            'timm/vit_tiny_patch16_224', 'open_clip/ViT-B-32' (whose output is the image's
            embedding), 'package.module:function' (called with `classes`), or the path of a
            TorchScript or torch.export file, which includes its weights.
        classes: C.
        weights: file of a state dict, .safetensors or written by torch.save; loaded without
            running code. None leaves the initial weights, usually random.
        weights_key: where in that file the weights are, see `load_weights`.

    Raises:
        ConfigError: an unknown name, a library that is not installed, weights for a model file, or
            more than 2^20 classes.
        MismatchError: the weights do not fit, or the file is not a model.
    """
    if classes > MAX_CLASSES:
        raise ConfigError(f"`classes={classes}` is more than {MAX_CLASSES}")
    if is_file(name):
        if weights is not None:
            raise ConfigError(f"{name} brings its own weights, {weights} cannot be added")
        return _from_file(Path(name))
    model = _by_name(name, classes)
    if weights is not None:
        load_weights(model, weights, f"{name} of {counted(classes, 'class')}", weights_key)
    return model


def is_file(name: str) -> bool:
    """Whether a name is the path of a TorchScript or torch.export file."""
    return Path(name).suffix in FILES


def model_name(model: nn.Module | str) -> str:
    """Name of a model in a run's records: the name as in `build`, or a module's class."""
    if isinstance(model, str):
        return model
    return f"{type(model).__module__}.{type(model).__qualname__}"


def trained(
    name: str, classes: int, weights: Path | None, weights_key: str | None = None
) -> nn.Module:
    """Build a trained model, in evaluation mode.

    Args:
        name: name or file of the model, as in `build`.
        classes: C.
        weights: file of the weights; None where the model brings its own.
        weights_key: where in that file the weights are, see `load_weights`.

    Raises:
        ConfigError: as in `build`, or the weights would be random.
        MismatchError: as in `build`.
    """
    if weights_key is not None and weights is None:
        raise ConfigError("`weights_key` without `weights`")
    model = build(name, classes, weights, weights_key)
    if weights is None and not is_file(name) and ":" not in name:
        raise ConfigError(f"{name} has random weights; give its trained weights")
    # an exported program has no training and evaluation modes
    return model if Path(name).suffix == EXPORTED else model.eval()


def _by_name(name: str, classes: int) -> nn.Module:
    library, _, model = name.partition("/")
    if name in OWN:
        return OWN[name](classes)
    if library == "torchvision" and model:
        models = _library("torchvision.models", "labelcodec[vision]")
        return _checked_build(
            name, lambda: models.get_model(model, weights=None, num_classes=classes)
        )
    if library == "timm" and model:
        timm = _library("timm", "timm")
        return _checked_build(name, lambda: timm.create_model(model, num_classes=classes))
    if library == OPEN_CLIP and model and ":" not in model:  # with one, it is downloaded
        return _checked_build(name, lambda: _image_tower(model))
    if ":" in name:
        return _from_function(name, classes)
    raise ConfigError(f"unknown model {name!r}; known are {NAMES}")


def open_clip() -> Any:
    """The package open_clip.

    Raises:
        ConfigError: it is not installed.
        MismatchError: it cannot be imported.
    """
    return _library(OPEN_CLIP, "open_clip_torch")


def _image_tower(name: str) -> nn.Module:
    """A CLIP model that, when called, gives embeddings of images; no weights are downloaded."""
    model: Any = open_clip().create_model(name, load_weights=False, pretrained_text=False)
    model.forward = model.encode_image
    tower: nn.Module = model
    return tower


def _library(module: str, requirement: str) -> Any:
    """Import a library of models; one that is broken is told from one that is missing."""
    package = module.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise ConfigError(f"{package} is not installed: pip install '{requirement}'")
    try:
        return importlib.import_module(module)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise MismatchError(
            f"{package} is installed but cannot be imported: {reason}; versions seen: "
            f"{_version_of('torch')}, {_version_of(package)}. Install versions that fit together"
        ) from error


def _version_of(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} of unknown version"


def _checked_build(name: str, make: Callable[[], nn.Module]) -> nn.Module:
    try:
        return make()
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"{name}: {error}") from None


def _from_function(name: str, classes: int) -> nn.Module:
    module, _, function = name.partition(":")
    # import from the working directory first, as Python does with `-m`
    sys.path.insert(0, os.getcwd())
    try:
        model = getattr(importlib.import_module(module), function)(classes)
    except Exception as error:
        raise ConfigError(f"{name}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(os.getcwd())
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{name}: returned a {type(model).__name__}, expected a torch module")
    return model


@contextmanager
def _no_pickle() -> Iterator[None]:
    """Force weights-only loading in torch.load, since torch.export falls back to unsafe loading."""
    previous = os.environ.get(FORCE_SAFE)
    os.environ[FORCE_SAFE] = "1"
    try:
        yield
    finally:
        if previous is None:
            del os.environ[FORCE_SAFE]
        else:
            os.environ[FORCE_SAFE] = previous


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence torch's deprecation warnings for TorchScript and its logs of failed attempts."""
    previous = logging.root.manager.disable
    logging.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


def _from_file(path: Path) -> nn.Module:
    if not path.is_file():
        raise MismatchError(f"{path}: no such model file")
    try:
        with _quiet(), _no_pickle():
            if path.suffix == EXPORTED:
                return torch.export.load(path).module()
            script: nn.Module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
            return script
    except Exception as error:
        error_type = type(error).__name__
        raise MismatchError(
            f"{path}: neither TorchScript nor an exported model ({error_type})"
        ) from None

"""Models by name: our own, torchvision's, timm's, a file, or a function of the user's."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from labelcodec.errors import ConfigError, MismatchError
from labelcodec.pipeline.networks import CifarResNet, convnet
from labelcodec.pipeline.weights import load_weights

OWN: dict[str, Callable[[int], nn.Module]] = {
    "convnet": convnet,
    "resnet20": partial(CifarResNet, 3),
    "resnet56": partial(CifarResNet, 9),
}
FORCE_SAFE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
EXPORTED = ".pt2"
FILES = (".pt", ".pth", ".ts", EXPORTED)
NAMES = f"{', '.join(OWN)}, torchvision/NAME, timm/NAME, module:callable, or a TorchScript (.pt, "
NAMES += ".ts) or exported (.pt2) file"


def build(name: str, classes: int, weights: Path | None = None) -> nn.Module:
    """A model that maps (B, 3, H, W) images to (B, classes) logits.

    Args:
        name: one of our own (convnet, resnet20, resnet56), 'torchvision/resnet18',
            'timm/vit_tiny_patch16_224', 'package.module:function' (called with `classes`), or the
            path of a TorchScript or torch.export file, which brings its own weights.
        classes: C.
        weights: file of a state dict, .safetensors or written by torch.save; loaded without
            running code. Without it weights are random.

    Raises:
        ConfigError: an unknown name, or a library that is not installed.
        MismatchError: weights that do not fit, or a file that is no model.
    """
    if is_file(name):
        if weights is not None:
            raise ConfigError(f"{name} brings its own weights, {weights} cannot be added")
        return _from_file(Path(name))
    model = _by_name(name, classes)
    if weights is not None:
        load_weights(model, weights, f"{name} of {classes} classes")
    return model


def is_file(name: str) -> bool:
    """Whether a name is that of a TorchScript or exported file."""
    return Path(name).suffix in FILES


def trained(name: str, classes: int, weights: Path | None) -> nn.Module:
    """A model as in `build`, ready to be asked: in evaluation mode.

    Raises:
        ConfigError: as `build`, or the weights would be random.
        MismatchError: as `build`.
    """
    model = build(name, classes, weights)
    if weights is None and not is_file(name) and ":" not in name:
        raise ConfigError(f"{name} has random weights; give those it was trained to")
    # an exported program has no modes
    return model if Path(name).suffix == EXPORTED else model.eval()


def _by_name(name: str, classes: int) -> nn.Module:
    library, _, rest = name.partition("/")
    if name in OWN:
        return OWN[name](classes)
    if library == "torchvision" and rest:
        models = _library("torchvision.models", "labelcodec[vision]")
        return _made(name, lambda: models.get_model(rest, weights=None, num_classes=classes))
    if library == "timm" and rest:
        timm = _library("timm", "timm")
        return _made(name, lambda: timm.create_model(rest, num_classes=classes))
    if ":" in name:
        return _own_function(name, classes)
    raise ConfigError(f"unknown model {name!r}; known are {NAMES}")


def _library(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ConfigError(f"{module} is not installed: pip install '{package}'") from None


def _made(name: str, make: Callable[[], nn.Module]) -> nn.Module:
    try:
        return make()
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"{name}: {error}") from None


def _own_function(name: str, classes: int) -> nn.Module:
    module, _, function = name.partition(":")
    sys.path.insert(0, os.getcwd())  # a program's own folder comes first there
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
    """Make every torch.load refuse code: torch.export falls back to one that does not."""
    before = os.environ.get(FORCE_SAFE)
    os.environ[FORCE_SAFE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORCE_SAFE]
        else:
            os.environ[FORCE_SAFE] = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from telling of TorchScript's age, and of what it tries before it fails."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


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
        kind = type(error).__name__
        raise MismatchError(f"{path}: neither TorchScript nor an exported model ({kind})") from None

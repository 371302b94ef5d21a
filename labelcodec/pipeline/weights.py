"""Weights from files, without running code, and into models that they fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from labelcodec.errors import ConfigError, MismatchError, ShapeError

OPTIONAL = "num_batches_tracked"  # torch does without


def load_weights(model: nn.Module, path: Path, named: str) -> None:
    """Put the weights of a file into a model, which error messages call `named`.

    Raises:
        MismatchError: the file is missing, damaged, holds other things than tensors, or its
            tensors do not fit the model; a ShapeError where they only have other shapes.
    """
    state = _read_state(path)
    for key in ("model", "state_dict"):  # checkpoints of training scripts
        if isinstance(state.get(key), dict):
            state = state[key]
    state = {str(name).removeprefix("module."): value for name, value in state.items()}
    try:
        model.load_state_dict(state)
    except RuntimeError:
        raise _misfit(f"{path}: does not fit {named}", model, state) from None


def _misfit(what: str, model: nn.Module, state: Mapping[str, Any]) -> MismatchError:
    """The first thing in which weights differ from a model's."""
    own, there = (
        {name: _shape(value) for name, value in tensors.items() if not name.endswith(OPTIONAL)}
        for tensors in (model.state_dict(), state)
    )
    for verb, names in (("lacks", [*own.keys() - there]), ("has", [*there.keys() - own])):
        if names:
            more = f" and {len(names) - 1} more" * (len(names) > 1)
            return MismatchError(f"{what}: it {verb} {min(names)}{more}")
    for name in own:
        if own[name] != there[name]:
            return ShapeError(f"{what}: {name} is {there[name]}, not {own[name]}")
    return MismatchError(f"{what}: its tensors cannot be copied")


def _shape(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return f"a {type(value).__name__}"
    return " x ".join(map(str, value.shape)) or "a number"


def _read_state(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MismatchError(f"{path}: no such weights file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except ImportError:
        raise ConfigError(f"{path}: reading it takes the safetensors package") from None
    except Exception as error:
        raise MismatchError(f"{path}: not a file of weights ({type(error).__name__})") from None
    if not isinstance(state, dict):
        raise MismatchError(f"{path}: holds a {type(state).__name__}, expected a state dict")
    return state

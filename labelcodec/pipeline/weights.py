"""Loading of weight files into models, without running code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from labelcodec.errors import MismatchError, MissingExtraError, ShapeError
from labelcodec.extras import needing_extra

OPTIONAL = "num_batches_tracked"  # torch loads state dicts without it


def load_weights(model: nn.Module, path: Path, named: str) -> None:
    """Load the weights of a file into a model.

    Args:
        model: the model.
        path: .safetensors, or a state dict written by torch.save.
        named: name of the model in error messages.

    Raises:
        MissingExtraError: the safetensors package is not installed.
        ShapeError: a tensor has another shape than the model's.
        MismatchError: the file is missing, damaged, not a state dict, or its tensors do not fit
            the model.
    """
    state = _read_state(path)
    for key in ("model", "state_dict"):  # checkpoints of training scripts nest the state dict
        if isinstance(state.get(key), dict):
            state = state[key]
    state = {str(name).removeprefix("module."): value for name, value in state.items()}
    try:
        model.load_state_dict(state)
    except RuntimeError:
        raise _misfit(f"{path}: does not fit {named}", model, state) from None


def _misfit(prefix: str, model: nn.Module, state: Mapping[str, Any]) -> MismatchError:
    """Error that names the first difference between weights and a model's."""
    model_shapes, file_shapes = (
        {name: _shape(value) for name, value in tensors.items() if not name.endswith(OPTIONAL)}
        for tensors in (model.state_dict(), state)
    )
    for verb, names in (
        ("lacks", [*model_shapes.keys() - file_shapes]),
        ("has", [*file_shapes.keys() - model_shapes]),
    ):
        if names:
            rest = f" and {len(names) - 1} more" * (len(names) > 1)
            return MismatchError(f"{prefix}: it {verb} {min(names)}{rest}")
    for name in model_shapes:
        if model_shapes[name] != file_shapes[name]:
            return ShapeError(f"{prefix}: {name} is {file_shapes[name]}, not {model_shapes[name]}")
    return MismatchError(f"{prefix}: its tensors cannot be copied")


def _shape(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return f"a {type(value).__name__}"
    return " x ".join(map(str, value.shape)) or "a number"


def _read_state(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MismatchError(f"{path}: no such weights file")
    try:
        if path.suffix == ".safetensors":
            with needing_extra(f"{path}: reading it"):
                from safetensors.torch import load_file

            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except MissingExtraError:
        raise
    except Exception as error:
        raise MismatchError(f"{path}: not a file of weights ({type(error).__name__})") from None
    if not isinstance(state, dict):
        raise MismatchError(f"{path}: holds a {type(state).__name__}, expected a state dict")
    return state

"""Loading of weight files into models, without running code."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from labelcodec.errors import LabelcodecError, LabelcodecWarning, MismatchError, ShapeError
from labelcodec.extras import needing_extra
from labelcodec.files.regular import check_regular
from labelcodec.torch_file import Opaque, Tensor, read_torch_file
from labelcodec.torch_file.tensor import native

OPTIONAL = "num_batches_tracked"  # torch loads state dicts without it
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")  # of wrappers around a model
# Keys under which training scripts save weights; the first that fits is taken.
CONTAINERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
AVERAGED = {"ema", "average", "averaged", "swa"}  # words of keys that hold averaged weights
DEPTH = 3  # of dicts in which weights are looked for
SHOWN = 8  # keys of a file that an error lists

State = Mapping[str, Any]


class _Nested(NamedTuple):
    """Weights in a file: the path of keys to them, joined by dots, and the tensors by name."""

    key: str
    state: State


def load_weights(model: nn.Module, path: Path, named: str, key: str | None = None) -> None:
    """Load the weights of a file into a model.

    A checkpoint may hold them under a key and beside other things. Names are tried as they are,
    and then without the prefixes that wrappers such as DataParallel and torch.compile add.

    Args:
        model: the model.
        path: .safetensors, or what torch.save wrote: a state dict or a checkpoint with one.
        named: name of the model in error messages.
        key: where in a checkpoint the weights are: 'state_dict_ema', 'ema.model'; None for the
            usual ones, plain weights before averaged ones.

    Raises:
        MissingExtraError: the safetensors package is not installed.
        ShapeError: a tensor has another shape than the model's.
        MismatchError: the file is missing or damaged, has no weights or none at `key`, or they do
            not fit the model.
    """
    saved = _read(path)
    nested = list(_nested(saved))
    if key is not None:
        nested = [each for each in nested if each.key == key]
        if not nested:
            raise MismatchError(f"{path}: no weights under {key!r}; {_contents(saved)}")
    if not nested:
        raise MismatchError(f"{path}: holds no weights; {_contents(saved)}")
    nested.sort(key=_preference)
    expected = {name for name in model.state_dict() if not name.endswith(OPTIONAL)}
    fitting = [
        (candidate.key, state)
        for candidate in nested
        for state in _without_prefixes(candidate.state)
        if {name for name in state if not name.endswith(OPTIONAL)} == expected
    ]
    if fitting:
        _tell_choice(path, [key for key, _ in fitting])
        _load(model, fitting[0][1], f"{path}: does not fit {named}")
        return
    closest = max(
        (state for candidate in nested for state in _without_prefixes(candidate.state)),
        key=lambda state: len(expected & state.keys()),
    )
    raise _misfit(f"{path}: does not fit {named}", model, closest, _names(saved, closest))


def _load(model: nn.Module, state: State, prefix: str) -> None:
    try:
        model.load_state_dict(dict(state))
    except RuntimeError:
        raise _misfit(prefix, model, state) from None


def _nested(saved: Any, key: str = "", depth: int = DEPTH) -> Iterator[_Nested]:
    """Every dict of tensors in a file, itself included, and its parts by their first name."""
    if not isinstance(saved, Mapping) or not depth:
        return
    state = {str(name): value for name, value in saved.items() if isinstance(value, torch.Tensor)}
    if state:
        yield _Nested(key, state)
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in state.items():
        first, _, rest = name.partition(".")
        parts.setdefault(first, {})[rest] = value
    for first, part in parts.items() if len(parts) > 1 else ():
        yield _Nested(f"{key}.{first}".lstrip("."), part)
    for name, inner in saved.items():
        yield from _nested(inner, f"{key}.{name}".lstrip("."), depth - 1)


def _preference(nested: _Nested) -> tuple[bool, bool, int]:
    """Sort key: plain weights first, then the file itself, then the usual keys in order."""
    last = nested.key.rpartition(".")[2]
    place = CONTAINERS.index(last) if last in CONTAINERS else len(CONTAINERS)
    return _is_averaged(nested.key), bool(nested.key), place


def _is_averaged(key: str) -> bool:
    return not AVERAGED.isdisjoint(re.split(r"[._-]", key.lower()))


def _without_prefixes(state: State) -> Iterator[State]:
    """The weights with their names as they are, and with more and more prefixes removed."""
    yield state
    while prefix := next((p for p in PREFIXES if any(name.startswith(p) for name in state)), None):
        shorter = {name.removeprefix(prefix): value for name, value in state.items()}
        if len(shorter) < len(state):  # two names would become one
            return
        yield (state := shorter)


def _tell_choice(path: Path, keys: list[str]) -> None:
    """Say which weights were taken, the first, if the file holds several that fit."""
    others = [key for key in dict.fromkeys(keys) if key != keys[0]]
    if others:
        warnings.warn(
            f"{path}: took the weights under {keys[0] or 'its top level'!r}; `weights_key` "
            f"takes those under {' or '.join(map(repr, others))}",
            LabelcodecWarning,
            stacklevel=4,
        )


def _contents(saved: Any) -> str:
    """What a file holds, for an error message."""
    if not isinstance(saved, Mapping):
        name = saved.name if isinstance(saved, Opaque) else type(saved).__name__
        return f"it is a {name}, expected a state dict"
    keys = [str(key) for key in saved if not str(key).endswith(OPTIONAL)]
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return f"its keys are {', '.join(keys[:SHOWN])}{more}" if keys else "it is empty"


def _names(saved: Any, state: State) -> str:
    """The keys of a file and, where these hold them, of its weights, for an error message."""
    is_nested = isinstance(saved, Mapping) and state.keys().isdisjoint(saved)
    names = _contents(state).replace("its keys are", "; its weights are named")
    return f"; {_contents(saved)}" + names * is_nested


def _misfit(prefix: str, model: nn.Module, state: State, contents: str = "") -> MismatchError:
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
            return MismatchError(f"{prefix}: it {verb} {min(names)}{rest}{contents}")
    for name in model_shapes:
        if model_shapes[name] != file_shapes[name]:
            return ShapeError(f"{prefix}: {name} is {file_shapes[name]}, not {model_shapes[name]}")
    return MismatchError(f"{prefix}: its tensors cannot be copied")


def _shape(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return f"a {type(value).__name__}"
    return " x ".join(map(str, value.shape)) or "a number"


def _read(path: Path) -> Any:
    """The content of a file of weights."""
    try:
        check_regular(path, MismatchError, "a file of weights")
    except FileNotFoundError:
        raise MismatchError(f"{path}: no such weights file") from None
    if path.suffix == ".safetensors":
        with needing_extra(f"{path}: reading it"):
            from safetensors.torch import load_file
        try:
            return load_file(path)
        except Exception as error:
            raise MismatchError(f"{path}: not a file of weights ({type(error).__name__})") from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # it also holds what torch refuses, such as the script's arguments
        try:
            return _with_torch_tensors(read_torch_file(path.read_bytes(), opaque=True))
        except LabelcodecError as error:
            raise MismatchError(f"{path}: not a file of weights ({error})") from None


def _with_torch_tensors(saved: Any) -> Any:
    if isinstance(saved, Tensor):
        return _to_torch(saved)
    if isinstance(saved, dict):
        return {key: _with_torch_tensors(value) for key, value in saved.items()}
    if isinstance(saved, np.ndarray) and saved.dtype.kind in "biuf":
        return torch.from_numpy(native(saved).copy())
    return saved


def _to_torch(tensor: Tensor) -> torch.Tensor:
    values = torch.from_numpy(tensor.numpy().copy())
    return values.to(torch.bfloat16) if tensor.dtype == "bfloat16" else values

"""Checkpoints of training runs: atomic writing, and loading without running code."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Set
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from labelcodec.errors import MismatchError
from labelcodec.files.atomic import atomic_file
from labelcodec.mapdiff import difference
from labelcodec.wording import counted


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically.

    It is serialized in memory first, because torch reports a full disk as an internal error when
    it writes to a file.

    Args:
        path: the file; an existing one is replaced.
        state: tensors and plain values.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    with atomic_file(path) as file:
        file.write(buffer.getbuffer())


def processes(path: Path) -> int:
    """Number of processes that a checkpoint's run started on.

    Raises:
        MismatchError: the checkpoint is missing or damaged.
    """
    count = _read(path)["run"].get("processes")
    if not isinstance(count, int) or count < 1:
        raise MismatchError(f"{path}: not a checkpoint (of {counted(count, 'process')})")
    return count


def load(
    path: Path,
    expected: Mapping[str, Any],
    ignore: Set[str] = frozenset(),
    added: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Read a checkpoint without running code.

    Args:
        path: the file.
        expected: the required value of its entry 'run', so that another run's checkpoint is
            refused.
        ignore: keys of that entry that may differ.
        added: settings of its 'recipe' that earlier versions did not record, with the values that
            they then had.

    Raises:
        MismatchError: the checkpoint is missing, damaged, or of another run; the message says what
            differs.
    """
    state = _read(path)
    saved, current = (
        {k: v for k, v in entry.items() if k not in ignore} for entry in (state["run"], expected)
    )
    recipe = saved.get("recipe")
    if isinstance(recipe, Mapping):
        saved["recipe"] = {**added, **recipe}
    if mismatch := difference(saved, current):
        raise MismatchError(f"{path}: is of another run: {mismatch}")
    return state


def _read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint; its entry 'run' is a dict."""
    if not path.is_file():
        raise MismatchError(f"{path}: no checkpoint to resume from")
    try:
        state = dict(_interned(torch.load(path, map_location="cpu", weights_only=True)))
        state["run"] = dict(state["run"])
    except Exception as error:
        raise MismatchError(f"{path}: not a checkpoint ({type(error).__name__})") from None
    return state


def _interned(value: Any) -> Any:
    """The same value, in place; equal strings are one object, as those of a program are.

    Pickle stores an object that it meets again as a reference: else a resumed run's checkpoint
    would have other bytes.
    """
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        for key in list(value):
            value[_interned(key)] = _interned(value.pop(key))
    elif isinstance(value, list):
        value[:] = map(_interned, value)
    return value

"""What a run needs to go on as if it had never stopped."""

from __future__ import annotations

import io
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import torch

from labelcodec.errors import MismatchError
from labelcodec.files.atomic import atomic_file
from labelcodec.mapdiff import difference


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint so that there is always a whole one, whatever happens.

    torch writes to memory: to a file it reports a full disk as a mistake of its own.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    with atomic_file(path) as file:
        file.write(buffer.getbuffer())


def load(path: Path, expected: Mapping[str, Any], ignore: Set[str] = frozenset()) -> dict[str, Any]:
    """Read a checkpoint without running code.

    Args:
        path: the file.
        expected: what its entry 'run' must say, so that another run's checkpoint is refused.
        ignore: keys of that entry that may say something else.

    Raises:
        MismatchError: it is missing, damaged, or of another run; the message says what differs.
    """
    if not path.is_file():
        raise MismatchError(f"{path}: no checkpoint to resume from")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        run = dict(state["run"])
    except Exception as error:
        raise MismatchError(f"{path}: not a checkpoint ({type(error).__name__})") from None
    there, now = ({k: v for k, v in side.items() if k not in ignore} for side in (run, expected))
    if what := difference(there, now):
        raise MismatchError(f"{path}: is of another run: {what}")
    return dict(state)

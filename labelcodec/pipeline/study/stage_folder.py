"""The folder that keeps the result of a stage, and whose lock says who is computing it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelcodec.errors import MismatchError
from labelcodec.files.atomic import atomic_file
from labelcodec.files.locks import locked_file
from labelcodec.files.regular import read_regular

FACTS, LOCK = "facts.json", "lock"


@dataclass(frozen=True)
class StageFolder:
    """The folder of a stage. It is complete once `facts.json` is there.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def facts(self) -> dict[str, Any] | None:
        """Figures of the complete result; None where it is not complete, or they are damaged."""
        path = self.path / FACTS
        return read_json(path) if intact(path) else None

    def complete(self, facts: Mapping[str, Any]) -> None:
        """Write the figures of the complete result."""
        write_json(self.path / FACTS, facts)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock, which ends with the process at the latest.

        Raises:
            LockedError: another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with locked_file(self.path / LOCK):
            yield


def read_json(path: Path) -> dict[str, Any]:
    """The table in a JSON file of the study's.

    Raises:
        MismatchError: it is damaged.
    """
    try:
        content = json.loads(read_regular(path, MismatchError, "a result"))
    except (ValueError, RecursionError) as error:
        raise MismatchError(f"{path}: not what a study writes: {error}") from None
    if not isinstance(content, dict):
        raise MismatchError(f"{path}: not what a study writes")
    return content


def intact(path: Path) -> bool:
    """Whether a JSON file of the study's is there and can be read; else it is computed again."""
    try:
        read_json(path)
    except (FileNotFoundError, MismatchError):
        return False
    return True


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a table to a JSON file, atomically."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file atomically, although other processes may be writing the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    with atomic_file(own) as file:
        file.write(text.encode())
    own.replace(path)

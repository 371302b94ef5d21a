"""The log of a training run, which is also what its process holds the folder by."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from labelcodec.errors import MismatchError
from labelcodec.files.locks import lock, unlock
from labelcodec.pipeline.run import CHECKPOINT, LOG, RESULT


@contextmanager
def claimed(out: Path, resume: bool) -> Iterator[BinaryIO]:
    """The log of a run's folder, which is this process's alone until it is closed.

    Args:
        out: the folder; made if need be.
        resume: whether a run that is there may go on.

    Raises:
        MismatchError: it is a file, holds a run that would be lost, or another process has it.
    """
    if out.exists() and not out.is_dir():
        raise MismatchError(f"{out}: is a file; a run needs a folder")
    holds = [name for name in (RESULT, CHECKPOINT, LOG) if (out / name).exists()]
    if LOG in holds and not (out / LOG).stat().st_size:  # of a run that did not end its first epoch
        holds.remove(LOG)
    if RESULT in holds and CHECKPOINT not in holds:
        raise MismatchError(
            f"{out}: holds {RESULT} without the {CHECKPOINT} to go on from; name another folder"
        )
    if holds and not resume:
        raise MismatchError(
            f"{out}: holds a run already ({holds[0]}); resume it or name another folder"
        )
    out.mkdir(parents=True, exist_ok=True)
    path = out / LOG
    fd = lock(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), path)
    try:
        with os.fdopen(fd, "r+b", closefd=False) as log:
            yield log
    finally:
        unlock(fd)


def cut(log: BinaryIO, epochs: int) -> None:
    """Leave the lines of so many epochs: what a killed run wrote after its checkpoint goes."""
    log.seek(0)
    log.truncate(sum(len(log.readline()) for _ in range(epochs)))


def append(log: BinaryIO, line: Mapping[str, Any]) -> None:
    """Put down an epoch."""
    log.seek(0, os.SEEK_END)
    _write(log, line)


def amend(log: BinaryIO, more: Mapping[str, Any]) -> None:
    """Add to the line of the last epoch."""
    log.seek(0)
    if lines := log.read().splitlines(keepends=True):
        log.seek(sum(map(len, lines[:-1])))
        _write(log, json.loads(lines[-1]) | more)  # over the old one, so that one is always there


def _write(log: BinaryIO, line: Mapping[str, Any]) -> None:
    """A line in place of all that follows."""
    log.write(json.dumps(line).encode() + b"\n")
    log.flush()
    log.truncate()

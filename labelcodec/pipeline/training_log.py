"""Training log (JSON lines). Its lock marks the output folder as in use."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from labelcodec.errors import MismatchError
from labelcodec.files.locks import locked_file
from labelcodec.pipeline.run_folder import CHECKPOINT, LOG, RESULT


@contextmanager
def open_log(out: Path, resume: bool) -> Iterator[BinaryIO]:
    """Open and lock the log of a run's folder.

    Args:
        out: the folder; created if missing.
        resume: whether an existing run may be continued.

    Raises:
        MismatchError: `out` is a file, holds a run that is not to be continued, or is in use by
            another process.
    """
    if out.exists() and not out.is_dir():
        raise MismatchError(f"{out}: is a file; a run needs a folder")
    existing = [name for name in (RESULT, CHECKPOINT, LOG) if (out / name).exists()]
    if LOG in existing and not (out / LOG).stat().st_size:  # the run stopped in its first epoch
        existing.remove(LOG)
    if RESULT in existing and CHECKPOINT not in existing:
        raise MismatchError(
            f"{out}: holds {RESULT} without the {CHECKPOINT} to resume from; name another folder"
        )
    if existing and not resume:
        raise MismatchError(
            f"{out}: holds a run already ({existing[0]}); resume it or name another folder"
        )
    out.mkdir(parents=True, exist_ok=True)
    path = out / LOG
    with locked_file(path) as fd, os.fdopen(fd, "r+b", closefd=False) as log:
        yield log


def truncate(log: BinaryIO, epochs: int) -> None:
    """Keep the first `epochs` lines; a killed run may have written more after its checkpoint."""
    log.seek(0)
    log.truncate(sum(len(log.readline()) for _ in range(epochs)))


def append(log: BinaryIO, line: Mapping[str, Any]) -> None:
    """Append the line of an epoch."""
    log.seek(0, os.SEEK_END)
    _write(log, line)


def amend(log: BinaryIO, entries: Mapping[str, Any]) -> None:
    """Add entries to the last line; of a damaged one nothing else is left."""
    log.seek(0)
    if lines := log.read().splitlines(keepends=True):
        log.seek(sum(map(len, lines[:-1])))
        try:
            line: dict[str, Any] = dict(json.loads(lines[-1]))
        except (ValueError, TypeError, RecursionError):
            line = {}
        _write(log, {**line, **entries})  # in place, so that the line is never missing


def _write(log: BinaryIO, line: Mapping[str, Any]) -> None:
    """Write a line at the current position, and truncate the file after it."""
    log.write(json.dumps(line).encode() + b"\n")
    log.flush()
    log.truncate()

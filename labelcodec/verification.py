"""Is a container whole: every checksum, every batch decoded, the index against the batches."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from labelcodec.container import RecordReader, would_save
from labelcodec.errors import CorruptError, LabelcodecError
from labelcodec.progress import Progress
from labelcodec.reader import Reader
from labelcodec.validation import validate


@dataclass(frozen=True)
class VerifyReport:
    """What verification found.

    Attributes:
        batches: batches in the index.
        samples: labels in the index.
        problems: one line each; empty when the file is whole.
        savable: batches that `repair` would save, 0 where it is of no use.
    """

    batches: int
    samples: int
    problems: tuple[str, ...]
    savable: int = 0


def verify(path: str | os.PathLike[str], progress: Progress | None = None) -> VerifyReport:
    """Check one container from end to end; problems are reported, not raised.

    Args:
        path: the container.
        progress: called with batches done and batches in all.
    """
    report = _verify(path, progress)
    return replace(report, savable=would_save(path)) if report.problems else report


def _verify(path: str | os.PathLike[str], progress: Progress | None) -> VerifyReport:
    problems: list[str] = []
    try:
        with RecordReader(path) as records:
            for section in records.index.sections:
                _note(problems, partial(records.section, section))
            for number in range(records.sides):
                _note(problems, partial(records.side, number))
        with Reader([path]) as reader:
            _note(problems, lambda: reader.names)
            for i in range(len(reader)):
                _note(problems, partial(_check, reader, i, Path(path)))
                if progress is not None:
                    progress(i + 1, len(reader))
            samples = int(reader.index.samples.sum())
            return VerifyReport(len(reader), samples, _grouped(problems))
    except LabelcodecError as error:
        return VerifyReport(0, 0, _grouped([*problems, str(error)]))


def _note(problems: list[str], check: Callable[[], object]) -> None:
    try:
        check()
    except LabelcodecError as error:
        problems.append(str(error))


def _grouped(problems: Sequence[str]) -> tuple[str, ...]:
    """Each problem once; one that many batches have, as damaged tables, names the first."""
    alike: dict[str, list[str]] = {}
    for problem in dict.fromkeys(problems):
        alike.setdefault(re.sub(r"^.*?\bbatch \d+: ", "", problem), []).append(problem)
    return tuple(
        f"{first} (and {len(others)} more like it)" if others else first
        for first, *others in alike.values()
    )


def _check(reader: Reader, i: int, path: Path) -> None:
    """Batch i decodes, makes sense and belongs to the header's image folder."""
    batch = reader[i]
    validate(batch)
    images = reader.header.images
    if images is not None and int(batch.image_index.max()) >= images:
        raise CorruptError(
            f"{path}: batch {batch.number}: image index {int(batch.image_index.max())}, "
            f"the header says {images} images"
        )

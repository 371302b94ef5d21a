"""Verification of a container: checksums, index, and decoding of every batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labelcodec.codecs.float_bits import nonfinite_labels
from labelcodec.container import RecordReader, would_save
from labelcodec.errors import (
    ConfigError,
    CorruptError,
    LabelcodecError,
    MissingExtraError,
    RemoteError,
)
from labelcodec.positions import in_order
from labelcodec.progress import Progress
from labelcodec.reader import Reader
from labelcodec.remote import Location, LocationLike, as_location
from labelcodec.threads import thread_count
from labelcodec.validation import validate
from labelcodec.wording import counted
from labelcodec.workers import ordered_map


@dataclass(frozen=True)
class VerifyReport:
    """Result of a verification.

    Attributes:
        batches: number of batches in the index.
        samples: number of labels in the index.
        problems: one line per problem; empty if the file is intact.
        savable: number of batches that `repair` would save; 0 if it cannot help.
        checked: number of batches that were checked, all or a sample.
        nonfinite: number of labels with NaN or infinite values, which are stored as they were.
        undecoded: reason why labels were not decoded although all checksums match; None if they
            were decoded.
    """

    batches: int
    samples: int
    problems: tuple[str, ...]
    savable: int = 0
    undecoded: str | None = None
    nonfinite: int = 0
    checked: int = 0

    @property
    def sound(self) -> bool:
        """Whether everything was checked and no problem was found."""
        return not self.problems and self.undecoded is None


def verify(
    path: LocationLike,
    progress: Progress | None = None,
    *,
    sample: int | None = None,
    threads: int | None = None,
) -> VerifyReport:
    """Check one container, completely or a sample of it; problems are reported, not raised.

    Args:
        path: the container, here or elsewhere.
        progress: called with batches done and total batches.
        sample: number of batches, chosen at random each time, to check instead of all; header,
            index, side information and image names are always checked.
        threads: most processes at a time, by default as `labelcodec.threads.thread_count` says.

    Raises:
        ConfigError: an impossible number of threads, or a sample of no batch.
        RemoteError: the file is elsewhere and cannot be reached.
        OSError: the file cannot be read.
    """
    if sample is not None and sample < 1:
        raise ConfigError(f"`sample={sample}`: at least one batch has to be checked")
    location = as_location(path)
    report = _verify(location, progress, sample, thread_count(threads))
    if report.problems and isinstance(location, Path):
        return replace(report, savable=would_save(location))
    return report


def _verify(
    path: Location, progress: Progress | None, sample: int | None, threads: int
) -> VerifyReport:
    problems: list[str] = []
    try:
        with RecordReader(path) as records:
            for section in records.index.sections:
                _note(problems, partial(records.section, section))
            for number in range(records.sides):
                _note(problems, partial(records.side, number))
        with Reader([path]) as reader:
            _note(problems, lambda: reader.names)
            undecoded = reader.missing_codec()
            check = _check if undecoded is None else _check_bytes
            positions = _chosen(len(reader), sample)
            results = ordered_map(
                partial(_checked, check, reader, path),
                list(in_order(positions)) if sample else positions,
                reader.processes(threads),
            )
            nonfinite = 0
            for done, checked in enumerate(results, 1):
                problems += checked.problems
                nonfinite += checked.nonfinite
                if progress is not None:
                    progress(done, len(positions))
            samples = int(reader.index.samples.sum())
            return VerifyReport(
                len(reader),
                samples,
                _grouped(problems),
                undecoded=undecoded,
                nonfinite=nonfinite,
                checked=len(positions),
            )
    except (RemoteError, MissingExtraError, ConfigError):  # nothing is known of the file
        raise
    except LabelcodecError as error:
        return VerifyReport(0, 0, _grouped([*problems, str(error)]))


def _chosen(batches: int, sample: int | None) -> Sequence[int]:
    """Positions to check, ascending: all, or a random sample."""
    if sample is None or sample >= batches:
        return range(batches)
    chosen = np.random.default_rng().choice(batches, sample, replace=False)
    return [int(position) for position in sorted(chosen)]


def _note(problems: list[str], check: Callable[[], object]) -> None:
    try:
        check()
    except RemoteError:
        raise
    except LabelcodecError as error:
        problems.append(str(error))


class _Checked(NamedTuple):
    """The problem that a batch has, if any, and its labels with NaN or infinite values."""

    problems: Sequence[str]
    nonfinite: int


def _checked(
    check: Callable[[Reader, int, Location], int], reader: Reader, path: Location, i: int
) -> _Checked:
    try:
        return _Checked((), check(reader, i, path))
    except RemoteError:
        raise
    except LabelcodecError as error:
        return _Checked((str(error),), 0)


def _grouped(problems: Sequence[str]) -> tuple[str, ...]:
    """Distinct problems; one shared by many batches is reported for the first of them."""
    same_text: dict[str, list[str]] = {}
    for problem in dict.fromkeys(problems):
        same_text.setdefault(re.sub(r"^.*?\bbatch \d+: ", "", problem), []).append(problem)
    return tuple(
        f"{first} (and {len(repeats)} more like it)" if repeats else first
        for first, *repeats in same_text.values()
    )


def _check(reader: Reader, i: int, path: Location) -> int:
    """Check that batch i decodes, is valid, and has only image indices that the header allows.

    Returns:
        Number of its labels with NaN or infinite values.
    """
    batch = reader[i]
    validate(batch)
    images = reader.header.images
    if images is not None and int(batch.image_index.max()) >= images:
        raise CorruptError(
            f"{path}: batch {batch.number}: image index {int(batch.image_index.max())}, "
            f"the header says {counted(images, 'image')}"
        )
    return nonfinite_labels(batch.labels)


def _check_bytes(reader: Reader, i: int, path: Location) -> int:
    """Check that the record of batch i is intact and that its streams fill it."""
    reader.component_bytes(i)
    return 0

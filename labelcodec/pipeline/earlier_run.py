"""What an interrupted relabelling left that ran on another number of processes."""

from __future__ import annotations

import os
import re
from collections.abc import Set
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from labelcodec.batch import LabelBatch
from labelcodec.codecs import registry
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.container.partial_reader import PartialReader, StoredBatch
from labelcodec.container.paths import finished_of, shard_paths
from labelcodec.errors import FormatError, MismatchError
from labelcodec.files.locks import lock, unlock
from labelcodec.files.regular import open_partial
from labelcodec.header import OWN, Header
from labelcodec.mapdiff import difference
from labelcodec.writer import with_codec

FITTING = ".fitting"


class EarlierRun:
    """Labels that an interrupted run on another number of processes has already.

    `number in earlier` and `earlier[number]` are about batches in full precision, `stored` about
    batches that are encoded with `tables`.

    Args:
        target: the container, as passed to `relabel`.
        files: the containers of this run, one per process.
        header: header of the containers, without the codec's keys.
        codec: the codec spec.
        resume: whether to look for such a run.
        first: whether this is the process that makes sure that nobody else writes the files.

    Attributes:
        paths: its files.
        tables: the codec's tables, as side information; None if they were not fitted yet.
        agreement: what its headers record of the labels' agreement with their folder.

    Raises:
        MismatchError: the files are of other labels, or another process is writing them.
    """

    def __init__(
        self, target: Path, files: list[Path], header: Header, codec: str, resume: bool, first: bool
    ) -> None:
        self.paths = _left_over(target, {path.name for path in files}) if resume else []
        self.tables: bytes | None = None
        self.agreement = header.agreement
        self._encoded: dict[int, PartialReader] = {}
        self._labelled: dict[int, PartialReader] = {}
        self._coders: dict[Path, BatchCoder] = {}
        with ExitStack() as stack:
            for path in self.paths:
                if first:
                    stack.callback(unlock, lock(open_partial(path, os.O_RDWR), path))
                try:
                    reader = stack.enter_context(PartialReader(path))
                except FormatError:  # killed before its header was complete
                    continue
                self._take(reader, header, codec)
            self._open = stack.pop_all()

    def __len__(self) -> int:
        """Number of batches that need not be labelled again."""
        return len(self._encoded.keys() | self._labelled.keys())

    def __contains__(self, number: object) -> bool:
        return number in self._labelled

    def __getitem__(self, number: int) -> LabelBatch:
        """The batch of this number in full precision; KeyError if there is none."""
        reader = self._labelled[number]
        payload, samples, _, epoch = reader.batch(number)
        return self._coders[reader.path].decode(payload, samples, number, epoch)

    def has_stored(self, number: int) -> bool:
        """Whether there is a batch of this number that is encoded with `tables`."""
        return number in self._encoded

    def stored(self, number: int) -> StoredBatch:
        """That batch."""
        return self._encoded[number].batch(number)

    def remove(self) -> None:
        """Remove the files, once the containers of this run hold all of their labels."""
        for path in self.paths:
            path.unlink(missing_ok=True)

    def _take(self, reader: PartialReader, header: Header, codec: str) -> None:
        path = reader.path
        is_cache = finished_of(path).name.endswith(FITTING)
        expected = with_codec(header, registry.parse("dense" if is_cache else codec)).to_map()
        if what := difference(reader.header, expected, OWN):
            raise MismatchError(
                f"{path}: is left of a run of other labels on another number of processes: {what}; "
                "use the same settings, or `force=True` without `resume` to start again"
            )
        side = reader.side()
        if side is None:
            return
        stored_header = Header.from_map(reader.header, str(path))
        if is_cache:
            self._coders[path] = BatchCoder.from_side_information(stored_header, side, str(path))
            self._labelled |= dict.fromkeys(reader.numbers, reader)
            return
        if self.tables not in (None, side):
            raise MismatchError(f"{path}: its tables are not those of the other files")
        self.tables, self.agreement = side, stored_header.agreement
        self._encoded |= dict.fromkeys(reader.numbers, reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _left_over(target: Path, own: Set[str]) -> list[Path]:
    """Files beside the target that an interrupted run on other processes left, sorted.

    Raises:
        MismatchError: a run on another number of processes is complete.
    """
    stem = re.escape(target.name.removesuffix(".slc"))
    container = rf"(?:{re.escape(target.name)}|{stem}-\d+-of-(?P<world>\d+)\.slc)"
    name = re.compile(rf"{container}(?:{re.escape(FITTING)})?(?:\.partial)?")
    runs: dict[int, list[Path]] = {}
    for path in sorted(target.parent.iterdir()) if target.parent.is_dir() else ():
        match = name.fullmatch(path.name)
        if match and finished_of(path).name.removesuffix(FITTING) not in own:
            runs.setdefault(int(match["world"] or 1), []).append(path)
    for world, paths in runs.items():
        if set(shard_paths(target, world)) <= set(paths):
            raise MismatchError(
                f"{paths[0]}: a run on another number of processes ({world}) is complete; use its "
                "files, `merge` them, or name another target"
            )
    return [path for paths in runs.values() for path in paths]

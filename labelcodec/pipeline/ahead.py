"""Batches that are labelled first, for tables to be fitted to them; kept until they are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from labelcodec.batch import LabelBatch
from labelcodec.codecs import registry
from labelcodec.container import RecordReader, scan
from labelcodec.container.paths import partial_of
from labelcodec.errors import LabelcodecError, MismatchError
from labelcodec.header import Header
from labelcodec.pipeline import threads
from labelcodec.reader import Reader
from labelcodec.writer import Writer, with_codec


class Ahead:
    """Batches in full precision, in a file beside each process's container.

    An error leaves the files, and a note says so; a clean exit removes this process's. Their names
    end in `.fitting`, so that no glob of containers takes them for some. Their headers have the
    threads that the run began with, as the source of the labels.

    Args:
        containers: one a process, in a folder that all processes see.
        rank: this process's.
        header: of the containers.
        resume: go on with what an interrupted run left, if any.

    Attributes:
        began: threads that this process had where that run began; None if it does not say so.
    """

    def __init__(
        self, containers: Sequence[Path], rank: int, header: Header, *, resume: bool
    ) -> None:
        self._files = [path.with_name(f"{path.name}.fitting") for path in containers]
        self._own, self._resume = self._files[rank], resume
        left = _header(self._own) if resume else None
        source = {"threads": threads.count()} if left is None else left.get("source")
        began = source.get("threads") if isinstance(source, dict) and left is not None else None
        self.began = began if isinstance(began, int) else None
        self._header = replace(header, source=source)
        self._good = False  # whether its own file is known to be of this run

    def write(
        self,
        numbers: Sequence[int],
        label: Callable[[Sequence[int]], Iterable[LabelBatch]],
        *,
        force: bool,
    ) -> None:
        """Label this process's batches into its file.

        Args:
            numbers: of these batches.
            label: gives batches of these numbers; is asked for those that are not there yet.
            force: replace what an interrupted run left, where it is not gone on with.

        Raises:
            MismatchError: the file is there and not to be gone on with, or is of another run.
        """
        if self._resume and self._own.exists():
            tables_of(self._own, self._header, "dense", numbers)
            self._good = True
            return
        if self._own.exists() and not force:
            raise MismatchError(
                f"{self._own}: is left of an interrupted run; pass --resume to go on with it or "
                "--force to start again"
            )
        with Writer(self._own, self._header, "dense", resume=self._resume, force=force) as writer:
            check_started(writer, numbers)
            for batch in label([number for number in numbers if number not in writer.numbers]):
                writer.fit([batch])  # the first one's tables, so that each is written at once
                writer.add(batch)
        self._good = True

    def read(self) -> Labelled:
        """What all processes have labelled ahead; empty where no files are left."""
        files = [path for path in self._files if path.exists()]
        self._good = True
        return Labelled(Reader(files) if files else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._own.unlink(missing_ok=True)
        elif self._good and self._own.exists() and not getattr(error, "__notes__", ()):
            error.add_note(f"{self._own} keeps what was labelled; go on with --resume")


class Labelled:
    """Batches of a label set by their number; None is an empty one."""

    def __init__(self, reader: Reader | None) -> None:
        numbers = [] if reader is None else reader.index.number.tolist()
        self._reader, self._places = reader, {number: i for i, number in enumerate(numbers)}

    def __contains__(self, number: object) -> bool:
        return number in self._places

    def __getitem__(self, number: int) -> LabelBatch:
        """The batch of this number.

        Raises:
            MismatchError: it is not there.
        """
        if self._reader is None or number not in self._places:
            raise MismatchError(
                f"batch {number} was labelled by another process and is not here; all of them "
                "have to write into one folder"
            )
        return self._reader[self._places[number]]


def _header(path: Path) -> dict[str, Any] | None:
    """What the header of a file says, or of the one that it is written in; None without either."""
    for one in (path, partial_of(path)):
        try:
            return scan(one).header
        except (FileNotFoundError, LabelcodecError):  # who opens it to write says what is wrong
            continue
    return None


def tables_of(path: Path, header: Header, codec: str, numbers: Sequence[int]) -> bytes:
    """The tables of a file that this process has finished before.

    Raises:
        MismatchError: it is not what this run would write.
    """
    with RecordReader(path) as found:
        wanted = with_codec(header, registry.parse(codec)).to_map()
        if found.header != wanted or found.index.number.tolist() != list(numbers):
            raise MismatchError(f"{path}: exists already and is of another run")
        return found.side(0)


def check_started(writer: Writer, numbers: Sequence[int]) -> None:
    """Refuse to go on with a file that holds other batches.

    Raises:
        MismatchError: naming one.
    """
    if others := writer.numbers - set(numbers):
        raise MismatchError(f"{writer.path}: was started with batch {min(others)}, not wanted now")

"""Cache of the batches labelled first, to which the codec's tables are fitted."""

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
from labelcodec.header import REMARKS, Header
from labelcodec.mapdiff import differing
from labelcodec.pipeline import threads
from labelcodec.reader import Reader
from labelcodec.writer import Writer, with_codec


class FittingCache:
    """Batches in full precision, in one file per process beside the process's container.

    A clean exit removes this process's file; an error keeps it, and a note on the error says so.
    File names end in `.fitting`, so that a glob for containers does not match them. The headers
    record the number of threads that the run started with, as the source of the labels.

    Args:
        containers: one path per process, in a folder that all processes see.
        rank: rank of this process.
        header: header of the containers.
        resume: continue with the files of an interrupted run, if any.

    Attributes:
        started_threads: number of threads of this process when the interrupted run started; None
            without such a run, or if its file does not record it.
    """

    def __init__(
        self, containers: Sequence[Path], rank: int, header: Header, *, resume: bool
    ) -> None:
        self._files = [path.with_name(f"{path.name}.fitting") for path in containers]
        self._own, self._resume = self._files[rank], resume
        old = _header(self._own) if resume else None
        source = {"threads": threads.thread_count()} if old is None else old.get("source")
        started = source.get("threads") if isinstance(source, dict) and old is not None else None
        self.started_threads = started if isinstance(started, int) else None
        self._header = replace(header, source=source)
        self._verified = False  # whether this process's file is known to belong to this run

    def write(
        self,
        numbers: Sequence[int],
        label: Callable[[Sequence[int]], Iterable[LabelBatch]],
        *,
        force: bool,
    ) -> None:
        """Label this process's batches and write them to its file.

        Args:
            numbers: numbers of these batches.
            label: labels the batches of the given numbers; called with those not in the file yet.
            force: replace the file of an interrupted run, unless it is resumed.

        Raises:
            MismatchError: the file exists and is neither to be resumed nor replaced, or it belongs
                to another run.
        """
        if self._resume and self._own.exists():
            tables_of(self._own, self._header, "dense", numbers)
            self._verified = True
            return
        if self._own.exists() and not force:
            raise MismatchError(
                f"{self._own}: is left of an interrupted run; pass `resume=True` to continue it "
                "or `force=True` to start again"
            )
        with Writer(self._own, self._header, "dense", resume=self._resume, force=force) as writer:
            check_started(writer, numbers)
            for batch in label([number for number in numbers if number not in writer.numbers]):
                writer.fit([batch])  # fits the tables to the first batch, so that none has to wait
                writer.add(batch)
        self._verified = True

    def read(self) -> CachedBatches:
        """The cached batches of all processes; empty if no files are left."""
        files = [path for path in self._files if path.exists()]
        self._verified = True
        return CachedBatches(Reader(files) if files else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._own.unlink(missing_ok=True)
        elif self._verified and self._own.exists() and not getattr(error, "__notes__", ()):
            error.add_note(f"{self._own} keeps what was labelled; continue with `resume=True`")


class CachedBatches:
    """Batches of a label set, looked up by number; None stands for an empty set."""

    def __init__(self, reader: Reader | None) -> None:
        numbers = [] if reader is None else reader.index.number.tolist()
        self._reader, self._position_of = reader, {number: i for i, number in enumerate(numbers)}

    def __contains__(self, number: object) -> bool:
        return number in self._position_of

    def __getitem__(self, number: int) -> LabelBatch:
        """The batch with this number.

        Raises:
            MismatchError: it is not in the set.
        """
        if self._reader is None or number not in self._position_of:
            raise MismatchError(
                f"batch {number} was labelled by another process and is missing; all processes "
                "have to write into one folder"
            )
        return self._reader[self._position_of[number]]


def _header(path: Path) -> dict[str, Any] | None:
    """Header of a file or else of its partial file; None if neither has a readable header."""
    for file in (path, partial_of(path)):
        try:
            return scan(file).header
        except (FileNotFoundError, LabelcodecError):  # opening it for writing reports the problem
            continue
    return None


def tables_of(path: Path, header: Header, codec: str, numbers: Sequence[int]) -> bytes:
    """Tables of a file that this process finished earlier, as side information.

    Args:
        path: the file.
        header: the header that it was written with, without the codec's keys.
        codec: the codec spec that it was written with.
        numbers: numbers of the batches that it must hold.

    Raises:
        MismatchError: the file is not what this run would write.
    """
    with RecordReader(path) as records:
        expected = with_codec(header, registry.parse(codec)).to_map()
        if differing(records.header, expected, REMARKS) or records.index.number.tolist() != list(
            numbers
        ):
            raise MismatchError(f"{path}: exists already and belongs to another run")
        return records.side(0)


def check_started(writer: Writer, numbers: Sequence[int]) -> None:
    """Check that a file to resume holds only batches of this run.

    Raises:
        MismatchError: it holds another batch; the message names it.
    """
    if foreign := writer.numbers - set(numbers):
        raise MismatchError(
            f"{writer.path}: was started with batch {min(foreign)}, which is not in this run"
        )

"""Writer of containers: `NAME.partial` record by record, renamed to `NAME` when complete."""

from __future__ import annotations

import os
import zlib
from collections.abc import Set
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from labelcodec.container import batch_prefix, layout
from labelcodec.container.header import encode_header
from labelcodec.container.index import Index, Section, encode
from labelcodec.container.ledger import Ledger
from labelcodec.container.partial import claim, create
from labelcodec.container.partial import resume as resume_partial
from labelcodec.container.paths import partial_of
from labelcodec.container.record import pack, preamble, read_record
from labelcodec.errors import DataError, LabelcodecError
from labelcodec.files.atomic import publish, refuse_existing
from labelcodec.files.locks import unlock
from labelcodec.files.os_errors import naming
from labelcodec.files.regular import target_of
from labelcodec.wording import counted

Payload = bytes | bytearray | memoryview


class RecordWriter:
    """Writes records to `NAME.partial`; `close` adds the index and renames the file to `NAME`.

    Each record is one write, so a killed process loses at most the record in flight. As a context
    manager, the writer closes on a clean exit. After an error it keeps the partial file to be
    resumed and adds a note to the error, unless the file has no batches and was not resumed.

    Args:
        path: the container to write; where it is a symbolic link, what it points to.
        header: the header map; msgpack types and string keys only.
        force: replace an existing container, and discard a partial file unless `resume` is set.
        resume: continue a partial file if there is one.
        own: header keys in which a partial file may differ; it keeps its own.

    Raises:
        MismatchError: the container or a partial file exists, the partial file has another header,
            or another process is writing it.
        DataError: the header cannot be stored.
        CorruptError: the partial file's header is damaged.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: dict[str, Any],
        *,
        force: bool = False,
        resume: bool = False,
        own: Set[str] = frozenset(),
    ) -> None:
        self.path = target_of(Path(path))
        self.partial = partial_of(self.path)
        self._force = force
        record = pack(layout.HEADER, encode_header(header))
        refuse_existing(self.path, force)
        self.resumed = resume and self.partial.exists()
        self._fd = claim(self.partial) if self.resumed else create(self.partial, force)
        try:
            ledger = resume_partial(self._fd, header, self.partial, own) if self.resumed else None
            self._ledger = ledger or Ledger()
            if ledger is None:
                os.ftruncate(self._fd, 0)
                self._write(preamble() + record, 0)
                self._ledger.add_section(Section(layout.HEADER, layout.PREAMBLE.size, len(record)))
        except BaseException:
            self.abort(keep=self.resumed)
            raise

    def replace_header(self, header: dict[str, Any]) -> None:
        """Replace the header, and drop the sections behind it.

        Args:
            header: the header map.

        Raises:
            DataError: the header cannot be stored, or there is side information or a batch already.
        """
        if self._ledger.side_positions or self._ledger.numbers:
            raise DataError(f"{self.path}: has side information, its header cannot be replaced")
        record = pack(layout.HEADER, encode_header(header))
        start = layout.PREAMBLE.size
        os.ftruncate(self._fd, start)
        self._write(record, start)
        self._ledger = Ledger()
        self._ledger.add_section(Section(layout.HEADER, start, len(record)))

    @property
    def written(self) -> Index:
        """Index of the records in the file so far, including those of a resumed run; a copy."""
        return self._ledger.index()

    @property
    def numbers(self) -> Set[int]:
        """Numbers of the batches in the file so far."""
        return self._ledger.numbers

    def add_section(self, tag: bytes, payload: Payload) -> int:
        """Write side information (`b"S"`), image names (`b"n"`) or an optional section.

        Args:
            tag: `b"S"` or a lower-case ASCII letter.
            payload: the bytes, at most 256 MiB (names 64 MiB).

        Returns:
            The side number of side information; otherwise the position in `written.sections`.

        Raises:
            DataError: another tag, a second names section, or a payload above the limit.
        """
        if tag != layout.SIDE_INFORMATION and not (len(tag) == 1 and b"a" <= tag <= b"z"):
            raise DataError(f"{self.path}: a section's tag is {tag!r}, expected b'S' or b'a'..b'z'")
        number: int | None = None
        parts: tuple[Payload, ...] = (payload,)
        if tag == layout.SIDE_INFORMATION:
            number = len(self._ledger.side_positions)
            parts = (layout.SIDE.pack(number), payload)
        try:
            self._ledger.check_section(tag, number)
        except ValueError as error:
            raise DataError(f"{self.path}: {error}") from error
        offset, size = self._append(tag, parts)
        self._ledger.add_section(Section(tag, offset, size), number)
        return len(self._ledger.sections) - 1 if number is None else number

    def add_batch(
        self, payload: Payload, *, side: int, samples: int, number: int, epoch: int
    ) -> None:
        """Write one batch.

        Args:
            payload: the codec's bytes, at most 256 MiB with the container's own prefix.
            side: number of the side information it needs, which may be written later.
            samples: number of samples, 1..2^20.
            number: batch number, unique in the file, from 0.
            epoch: epoch of the batch, from 0.

        Raises:
            DataError: a value out of range, a repeated number, or too many bytes.
        """
        try:
            if not 0 <= side < layout.MAX_SECTIONS:
                raise ValueError(f"side number {side}, allowed are 0..{layout.MAX_SECTIONS - 1}")
            self._ledger.check_batch(samples, number, epoch)
        except ValueError as error:
            raise DataError(f"{self.path}: {error}") from error
        prefix = batch_prefix.encode(side, samples, number, epoch)
        offset, size = self._append(layout.BATCH, (prefix, payload))
        self._ledger.add_batch(offset, size, side, samples, number, epoch)

    def side(self, number: int) -> bytes:
        """Read side information already in the file, for a resumed run.

        Raises:
            IndexError: `number` has not been written.
        """
        sides = [s for s in self._ledger.sections if s.tag == layout.SIDE_INFORMATION]
        if not 0 <= number < len(sides):
            raise IndexError(f"{self.partial}: side information {number} of {len(sides)}")
        return self.section(sides[number])[layout.SIDE.size :]

    def section(self, section: Section) -> bytes:
        """Read the payload of one of `written.sections`."""
        return bytes(read_record(self._fd, section.offset, section.size, section.tag, self.partial))

    def close(self) -> None:
        """Write index and trailer, flush to disk and rename.

        Raises:
            DataError: a batch needs side information that was never written; the file stays open.
            MismatchError: the container was created meanwhile; the partial file is kept.
        """
        if self._fd < 0:
            return
        sides = len(self._ledger.side_positions)
        needed = max(self._ledger.side, default=-1) + 1
        if needed > sides:
            raise DataError(
                f"{self.path}: a batch needs side information {needed - 1}, {sides} were written"
            )
        index = pack(layout.INDEX, encode(self._ledger.index()))
        start = layout.TRAILER.pack(self._ledger.end, len(index), 0, layout.END_MAGIC)
        crc = zlib.crc32(start[: layout.TRAILER_CHECKED], zlib.crc32(preamble()))
        trailer = layout.TRAILER.pack(self._ledger.end, len(index), crc, layout.END_MAGIC)
        self._write(index + trailer, self._ledger.end)
        with naming(self.partial):
            os.fsync(self._fd)
        publish(self.partial, self.path, self._force)
        self._release()

    def abort(self, *, keep: bool) -> None:
        """Stop writing; remove the partial file unless `keep`. No effect after `close`."""
        if self._fd < 0:
            return
        if not keep:
            self.partial.unlink(missing_ok=True)
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.abort(keep=self.resumed or bool(self.numbers))
            self._note_kept(error)
            return
        try:
            self.close()
        except BaseException as failure:
            self.abort(keep=True)
            if not isinstance(failure, LabelcodecError):
                self._note_kept(failure)
            raise

    def _note_kept(self, error: BaseException) -> None:
        if self.numbers and self.partial.exists():
            error.add_note(
                f"{self.partial} keeps the {counted(len(self.numbers), 'batch')} written so far; "
                "run again with `resume=True` to go on from there"
            )

    def _release(self) -> None:
        fd, self._fd = self._fd, -1
        unlock(fd)

    def _append(self, tag: bytes, parts: tuple[Payload, ...]) -> tuple[int, int]:
        """Write a record after the last one; returns its offset and size."""
        length = sum(memoryview(part).nbytes for part in parts)
        if length > layout.limit(tag):
            raise DataError(
                f"{self.path}: a record {tag!r} of {length} bytes, at most {layout.limit(tag)} "
                "are allowed"
            )
        if self._fd < 0:
            raise ValueError(f"{self.path}: the writer is closed")
        record = pack(tag, *parts)
        self._write(record, self._ledger.end)
        return self._ledger.end, len(record)

    def _write(self, data: bytes, offset: int) -> None:
        rest = memoryview(data)
        try:
            while rest:
                with naming(self.partial):
                    done = os.pwrite(self._fd, rest, offset + len(data) - len(rest))
                rest = rest[done:]
        except BaseException:
            # Otherwise a longer torn record could extend past the record written over it.
            os.ftruncate(self._fd, offset)
            raise

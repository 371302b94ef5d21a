"""Makes a whole container of what is intact in a damaged or unfinished one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labelcodec.container import batch_prefix, layout
from labelcodec.container.index import Section
from labelcodec.container.ledger import Ledger
from labelcodec.container.paths import damaged_of, finished_of, partial_of, repaired_of
from labelcodec.container.record import read_record
from labelcodec.container.scan import Scan, scan_open
from labelcodec.container.writer import RecordWriter
from labelcodec.errors import MismatchError


@dataclass(frozen=True)
class RepairReport:
    """What `repair` did.

    Attributes:
        source: the file that was read.
        target: the container that was written.
        original: where the source is now; None if it was replaced because nothing was lost.
        kept: batches in the target.
        dropped: intact batches left out: side information they need is lost, or their number
            occurs twice.
        skipped: bytes of the source in which no record was found, a cut index not counted.
        sections: records in the target that are neither batches nor the index.
        problem: the first damage found, None if the file only lacked its index.
    """

    source: Path
    target: Path
    original: Path | None
    kept: int
    dropped: int
    skipped: int
    sections: int
    problem: str | None


def repair(
    path: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, force: bool = False
) -> RepairReport:
    """Rebuild a container from its intact records.

    Batches keep their bytes. After damage the search goes on with the next intact record.

    Args:
        path: a container, a partial file, or the name of one whose partial file exists.
        out: the container to make, the source is then left alone. By default the source is
            replaced; if anything in it was lost, it is kept beside as `NAME.damaged`.
        force: replace an existing `out`.

    Raises:
        CorruptError: the header is lost.
        FormatError: the file is not a container.
        UnsupportedError: a critical record that this library does not know.
        MismatchError: a file to be written exists already.
    """
    source = Path(path)
    if not source.exists() and partial_of(source).exists():
        source = partial_of(source)
    if out is not None:
        target = Path(out)
        found, kept = _rewrite(source, target, force)
        original: Path | None = source
    else:
        target = finished_of(source)
        if target != source and target.exists():
            raise MismatchError(f"{target}: exists already; give another name for the result")
        fresh = repaired_of(target)
        found, kept = _rewrite(source, fresh, True)
        lost = found.skipped > 0 or kept < len(found.ledger.side) or found.dropped > 0
        original = damaged_of(target) if lost else None
        _replace(source, fresh, target, original)
    return RepairReport(
        source=source,
        target=target,
        original=original,
        kept=kept,
        dropped=found.dropped + len(found.ledger.side) - kept,
        skipped=found.skipped,
        sections=len(found.ledger.sections),
        problem=found.problem,
    )


def _replace(source: Path, fresh: Path, target: Path, original: Path | None) -> None:
    if original is not None:
        if original.exists():
            raise MismatchError(
                f"{original}: exists already; the repaired file is {fresh}, move one of them"
            )
        os.rename(source, original)
    os.replace(fresh, target)
    if original is None and source != target:
        source.unlink()


def _rewrite(source: Path, target: Path, force: bool) -> tuple[Scan, int]:
    """Copy the intact records, in file order; what was found and how many batches were kept."""
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = scan_open(fd, source, resynchronise=True)
        writer = RecordWriter(target, found.header, force=force)
        try:
            _copy(fd, source, found, writer)
            kept = len(writer.numbers)
            writer.close()
        except BaseException:
            writer.abort(keep=False)
            raise
    finally:
        os.close(fd)
    return found, kept


def _copy(fd: int, source: Path, found: Scan, writer: RecordWriter) -> None:
    ledger = found.ledger
    for record in _in_file_order(ledger):
        if isinstance(record, Section):
            payload = read_record(fd, record.offset, record.size, record.tag, source)
            own = layout.SIDE.size if record.tag == layout.SIDE_INFORMATION else 0
            writer.add_section(record.tag, payload[own:])
            continue
        offset, size = record
        payload = read_record(fd, offset, size, layout.BATCH, source)
        side, samples, number, epoch, start = batch_prefix.decode(payload)
        if side in ledger.side_positions:
            writer.add_batch(
                payload[start:],
                side=ledger.side_positions[side],  # numbered anew, without gaps
                samples=samples,
                number=number,
                epoch=epoch,
            )


def _in_file_order(ledger: Ledger) -> Iterator[Section | tuple[int, int]]:
    """Every record after the header: a section, or a batch's offset and size."""
    index = ledger.index()
    sections = iter(index.sections[1:])
    section = next(sections, None)
    for offset, size in zip(index.offset.tolist(), index.size.tolist(), strict=True):
        while section is not None and section.offset < offset:
            yield section
            section = next(sections, None)
        yield offset, size
    if section is not None:
        yield section
    yield from sections

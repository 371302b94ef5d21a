"""Repair: a finished container from the intact records of a damaged or unfinished one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labelcodec.container import batch_prefix, layout
from labelcodec.container.index import Section
from labelcodec.container.ledger import Ledger
from labelcodec.container.paths import damaged_of, finished_of, partial_of, repaired_of
from labelcodec.container.reader import RecordReader
from labelcodec.container.record import open_file, read_record
from labelcodec.container.record_scan import Scan, scan, scan_open
from labelcodec.container.writer import RecordWriter
from labelcodec.errors import CorruptError, LabelcodecError, MismatchError
from labelcodec.files.locks import lock, unlock

Stretches = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class RepairReport:
    """Result of a repair.

    Attributes:
        source: the file that was read.
        target: the container that was written.
        original: where the source is now; None if it was replaced because nothing was lost.
        unfinished: whether the source is the partial file of a run that may be resumed.
        kept: number of batches in the target.
        numbers: their numbers, as (first, last) ranges.
        lost: numbers of the batches that the source's index lists and the target lacks, as ranges;
            None if the index is lost, too.
        dropped: intact batches left out, because their side information is lost or their number
            occurs twice.
        skipped: bytes of the source without a valid record, a truncated index not counted.
        damage: byte offset and size of each such range.
        sections: records in the target that are neither batches nor the index.
        problem: the first damage found; None if the file only lacked its index.
    """

    source: Path
    target: Path
    original: Path | None
    unfinished: bool
    kept: int
    numbers: Stretches
    lost: Stretches | None
    dropped: int
    skipped: int
    damage: Stretches
    sections: int
    problem: str | None


def repair(
    path: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, force: bool = False
) -> RepairReport:
    """Rebuild a container from its intact records.

    Batches keep their bytes. After damage, the search continues at the next intact record.

    Args:
        path: a container, a partial file, or the name of a container that has a partial file.
        out: path of the repaired container; the source is then left alone. By default the source is
            replaced, and kept as `NAME.damaged` if anything in it was lost. A partial file is never
            modified, so that its run can be resumed.
        force: replace an existing `out`.

    Raises:
        CorruptError: the header is lost, or the side information of all batches is.
        FormatError: the file is not a container.
        UnsupportedError: a critical record that this library does not know.
        MismatchError: a file to be written exists, or another process is writing the source.
    """
    source = _source(Path(path))
    fd = lock(open_file(source), source)
    try:
        return _repair(fd, source, None if out is None else Path(out), force)
    finally:
        unlock(fd)


def would_save(path: str | os.PathLike[str]) -> int:
    """Number of batches that `repair` would save; 0 if it would fail or change nothing."""
    try:
        intact = scan(_source(Path(path)), resynchronise=True)
    except LabelcodecError:
        return 0
    if intact.problem is None and _opens(Path(path)):
        return 0
    return sum(side in intact.ledger.side_positions for side in intact.ledger.side)


def _opens(path: Path) -> bool:
    try:
        RecordReader(path).close()
    except LabelcodecError:
        return False
    return True


def _source(path: Path) -> Path:
    return path if path.exists() or not partial_of(path).exists() else partial_of(path)


def _repair(fd: int, source: Path, out: Path | None, force: bool) -> RepairReport:
    target = finished_of(source) if out is None else out
    unfinished = source != finished_of(source)
    original: Path | None = source
    if out is not None:
        scanned, kept = _rewrite(fd, source, target, force)
    else:
        if unfinished and os.path.lexists(target):
            raise MismatchError(f"{target}: exists already; give another name for the result")
        fresh = repaired_of(target)
        scanned, kept = _rewrite(fd, source, fresh, True)
        if not unfinished:
            lost = (
                scanned.skipped > 0 or len(kept) < len(scanned.ledger.side) or scanned.dropped > 0
            )
            original = damaged_of(target) if lost else None
            _make_room(source, fresh, original)
        os.replace(fresh, target)
    return RepairReport(
        source=source,
        target=target,
        original=original,
        unfinished=unfinished,
        kept=len(kept),
        numbers=stretches(kept),
        lost=None if scanned.promised is None else stretches(scanned.promised - kept),
        dropped=scanned.dropped + len(scanned.ledger.side) - len(kept),
        skipped=scanned.skipped,
        damage=scanned.damage,
        sections=len(scanned.ledger.sections),
        problem=scanned.problem,
    )


def stretches(numbers: Iterable[int]) -> Stretches:
    """Ranges (first, last) of consecutive numbers, ascending."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], number
        else:
            ranges.append((number, number))
    return tuple(ranges)


def _make_room(source: Path, fresh: Path, original: Path | None) -> None:
    """Move the source aside if something in it was lost."""
    if original is None:
        return
    if os.path.lexists(original):
        raise MismatchError(
            f"{original}: exists already; the repaired file is {fresh}, move one of them"
        )
    os.rename(source, original)


def _rewrite(fd: int, source: Path, target: Path, force: bool) -> tuple[Scan, frozenset[int]]:
    """Copy the intact records in file order; returns the scan and the numbers of kept batches."""
    scanned = scan_open(fd, source, resynchronise=True)
    writer = RecordWriter(target, scanned.header, force=force)
    try:
        _copy(fd, source, scanned, writer)
        kept = frozenset(writer.numbers)
        if scanned.ledger.side and not kept:
            raise CorruptError(
                f"{source}: the side information that all its batches need is lost; no batch can "
                "be saved, the file is left as it is"
            )
        writer.close()
    except BaseException:
        writer.abort(keep=False)
        raise
    return scanned, kept


def _copy(fd: int, source: Path, scanned: Scan, writer: RecordWriter) -> None:
    ledger = scanned.ledger
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
                side=ledger.side_positions[side],  # renumbered without gaps
                samples=samples,
                number=number,
                epoch=epoch,
            )


def _in_file_order(ledger: Ledger) -> Iterator[Section | tuple[int, int]]:
    """All records after the header: a section, or a batch's offset and size."""
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

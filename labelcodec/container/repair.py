"""Makes a whole container of what is intact in a damaged or unfinished one."""

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
from labelcodec.container.scan import Scan, scan, scan_open
from labelcodec.container.writer import RecordWriter
from labelcodec.errors import CorruptError, LabelcodecError, MismatchError
from labelcodec.files.locks import lock, unlock

Stretches = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class RepairReport:
    """What `repair` did.

    Attributes:
        source: the file that was read.
        target: the container that was written.
        original: where the source is now; None if it was replaced because nothing was lost.
        unfinished: the source is the partial file of a run that may be resumed.
        kept: batches in the target.
        numbers: their numbers, as first and last of each stretch.
        lost: numbers of the batches that the source's index names and the target lacks, likewise;
            None if the index is lost too.
        dropped: intact batches left out: side information they need is lost, or their number
            occurs twice.
        skipped: bytes of the source in which no record was found, a cut index not counted.
        damage: where they are: byte offset and size of each stretch.
        sections: records in the target that are neither batches nor the index.
        problem: the first damage found, None if the file only lacked its index.
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

    Batches keep their bytes. After damage the search goes on with the next intact record.

    Args:
        path: a container, a partial file, or the name of one whose partial file exists.
        out: the container to make, the source is then left alone. By default the source is
            replaced; if anything in it was lost, it is kept beside as `NAME.damaged`. A partial
            file is always left as it is, so that its run can be resumed.
        force: replace an existing `out`.

    Raises:
        CorruptError: the header is lost, or the side information of all batches.
        FormatError: the file is not a container.
        UnsupportedError: a critical record that this library does not know.
        MismatchError: a file to be written exists already, or another process is writing the
            source.
    """
    source = _source(Path(path))
    fd = lock(open_file(source), source)
    try:
        return _repair(fd, source, None if out is None else Path(out), force)
    finally:
        unlock(fd)


def would_save(path: str | os.PathLike[str]) -> int:
    """How many batches `repair` would save; 0 where it would fail or change nothing."""
    try:
        found = scan(_source(Path(path)), resynchronise=True)
    except LabelcodecError:
        return 0
    if found.problem is None and _opens(Path(path)):
        return 0
    return sum(side in found.ledger.side_positions for side in found.ledger.side)


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
        found, kept = _rewrite(fd, source, target, force)
    else:
        if unfinished and os.path.lexists(target):
            raise MismatchError(f"{target}: exists already; give another name for the result")
        fresh = repaired_of(target)
        found, kept = _rewrite(fd, source, fresh, True)
        if not unfinished:
            lost = found.skipped > 0 or len(kept) < len(found.ledger.side) or found.dropped > 0
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
        lost=None if found.promised is None else stretches(found.promised - kept),
        dropped=found.dropped + len(found.ledger.side) - len(kept),
        skipped=found.skipped,
        damage=found.damage,
        sections=len(found.ledger.sections),
        problem=found.problem,
    )


def stretches(numbers: Iterable[int]) -> Stretches:
    """First and last of each run of consecutive numbers, ascending."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return tuple(found)


def _make_room(source: Path, fresh: Path, original: Path | None) -> None:
    """Put a source of which something was lost aside."""
    if original is None:
        return
    if os.path.lexists(original):
        raise MismatchError(
            f"{original}: exists already; the repaired file is {fresh}, move one of them"
        )
    os.rename(source, original)


def _rewrite(fd: int, source: Path, target: Path, force: bool) -> tuple[Scan, frozenset[int]]:
    """Copy the intact records, in file order; what was found and the batches that were kept."""
    found = scan_open(fd, source, resynchronise=True)
    writer = RecordWriter(target, found.header, force=force)
    try:
        _copy(fd, source, found, writer)
        kept = frozenset(writer.numbers)
        if found.ledger.side and not kept:
            raise CorruptError(
                f"{source}: the side information that all its batches need is lost; no batch can "
                "be saved, the file is left as it is"
            )
        writer.close()
    except BaseException:
        writer.abort(keep=False)
        raise
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

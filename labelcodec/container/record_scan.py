"""Scan of a partial or damaged container, record by record, in bounded memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelcodec.container import batch_prefix, layout
from labelcodec.container.header import decode_header
from labelcodec.container.index import Section
from labelcodec.container.index import parse as parse_index
from labelcodec.container.ledger import Ledger
from labelcodec.container.record import check_preamble, open_file, read_record
from labelcodec.container.walk import Budget, Found, find, probe
from labelcodec.errors import CorruptError, FormatError, UnsupportedError

# Bytes that a scan may checksum, false candidates included, relative to the file's size.
_SEARCH_COST = 8


@dataclass(frozen=True, eq=False)
class Scan:
    """The intact contents of a file.

    Attributes:
        version: major and minor version.
        header: the header map.
        ledger: the intact records except the index.
        damage: byte offset and size of each range without a valid record.
        dropped: intact batches that repeat a number or contradict themselves.
        problem: the first damage found, or what ended the scan; None if it reached the index or the
            end of the file.
        promised: numbers of the batches that the index lists; None without an intact index, or if
            the scan was not to continue after damage.
    """

    version: tuple[int, int]
    header: dict[str, Any]
    ledger: Ledger
    damage: tuple[tuple[int, int], ...]
    dropped: int
    problem: str | None
    promised: frozenset[int] | None

    @property
    def skipped(self) -> int:
        """Number of bytes without a valid record."""
        return sum(size for _, size in self.damage)


def scan(path: str | os.PathLike[str], *, resynchronise: bool = False) -> Scan:
    """Scan a container or partial file up to the first invalid record, or beyond.

    Args:
        path: the file; it is not modified.
        resynchronise: continue after damage, at the next intact record.

    Raises:
        FormatError: the file is not a container.
        VersionError: the file was written by a newer major version.
        CorruptError: the header is lost.
        UnsupportedError: a critical record that this library does not know.
    """
    fd = open_file(Path(path))
    try:
        return scan_open(fd, Path(path), resynchronise=resynchronise)
    finally:
        os.close(fd)


def scan_open(fd: int, path: Path, *, resynchronise: bool) -> Scan:
    """Scan an open file; see `scan`.

    Args:
        fd: descriptor of the file, open for reading.
        path: its path, for error messages.
        resynchronise: continue after damage, at the next intact record.
    """
    end = os.fstat(fd).st_size
    version = check_preamble(os.pread(fd, layout.PREAMBLE.size, 0), path)
    budget = Budget(_SEARCH_COST * end)
    first, header = _read_header(fd, end, budget, path)
    ledger = Ledger()
    ledger.add_section(Section(first.tag, first.offset, first.size))
    position = ledger.end
    damage: list[tuple[int, int]] = []
    dropped = 0
    problem: str | None = None
    promised: frozenset[int] | None = None
    while position < end:
        try:
            record = probe(fd, position, end, budget, path)
        except CorruptError as error:
            problem = problem or str(error)
            following = _after(fd, position, end, budget, path) if resynchronise else None
            if following is None:
                if os.pread(fd, 1, position) != layout.INDEX:  # a lost index is rebuilt
                    damage.append((position, end - position))
                break
            damage.append((position, following.offset - position))
            record = following
        if record.tag == layout.INDEX:
            promised = _promised(fd, record, path) if resynchronise else None
            break
        try:
            _account(ledger, record, in_order=not resynchronise, path=path)
        except ValueError as error:
            problem = problem or f"{path}: byte {record.offset}: {error}"
            if not resynchronise:
                break
            dropped += record.tag == layout.BATCH
        position = record.offset + record.size
    return Scan(version, header, ledger, tuple(damage), dropped, problem, promised)


def _promised(fd: int, record: Found, path: Path) -> frozenset[int] | None:
    """Batch numbers listed in the index; None if it is malformed."""
    payload = read_record(fd, record.offset, record.size, record.tag, path)
    try:
        return frozenset(parse_index(payload, record.offset, path).number.tolist())
    except FormatError:
        return None


def _read_header(fd: int, end: int, budget: Budget, path: Path) -> tuple[Found, dict[str, Any]]:
    try:
        first = probe(fd, layout.PREAMBLE.size, end, budget, path)
    except CorruptError as error:
        raise CorruptError(f"{error}; without its header the file cannot be recovered") from error
    if first.tag != layout.HEADER:
        raise FormatError(f"{path}: byte {first.offset}: found {first.tag!r}, expected the header")
    payload = read_record(fd, first.offset, first.size, first.tag, path)
    return first, decode_header(payload, path)


def _account(ledger: Ledger, record: Found, *, in_order: bool, path: Path) -> None:
    """Add an intact record to the ledger.

    Raises:
        ValueError: the record contradicts itself or an earlier one.
        UnsupportedError: a critical record that this library does not know.
    """
    if record.tag == layout.BATCH:
        side, samples, number, epoch, _ = batch_prefix.decode(record.head)
        ledger.check_batch(samples, number, epoch)
        ledger.add_batch(record.offset, record.size, side, samples, number, epoch)
        return
    if record.tag not in layout.KNOWN and layout.is_critical(record.tag):
        raise UnsupportedError(
            f"{path}: byte {record.offset}: found a critical record {record.tag!r} that this "
            "library does not know; update labelcodec"
        )
    side_number = None
    if record.tag == layout.SIDE_INFORMATION:
        if len(record.head) < layout.SIDE.size:
            raise ValueError("side information without a number")
        (side_number,) = layout.SIDE.unpack_from(record.head)
        if in_order and side_number != len(ledger.side_positions):
            raise ValueError(
                f"side information {side_number}, expected {len(ledger.side_positions)}"
            )
    ledger.check_section(record.tag, side_number)
    ledger.add_section(Section(record.tag, record.offset, record.size), side_number)


def _after(fd: int, damaged: int, end: int, budget: Budget, path: Path) -> Found | None:
    """The next intact record after damage at byte `damaged`; None if there is none."""
    frame = os.pread(fd, layout.FRAME.size, damaged)
    if len(frame) == layout.FRAME.size:
        # Most damage is inside a payload. The frame then still tells where the next record
        # starts, and nothing inside the payload is mistaken for a record.
        claimed = damaged + layout.FRAME.size + layout.FRAME.unpack(frame)[1]
        if claimed < end:
            try:
                return probe(fd, claimed, end, budget, path)
            except CorruptError:
                pass
    return find(fd, damaged + 1, end, budget, path)

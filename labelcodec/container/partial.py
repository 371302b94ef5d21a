"""Partial containers: creating, locking and resuming `NAME.partial`."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path
from typing import Any

from labelcodec.container import layout
from labelcodec.container.ledger import Ledger
from labelcodec.container.record_scan import scan_open
from labelcodec.errors import FormatError, MismatchError
from labelcodec.files.locks import lock, unlock
from labelcodec.files.regular import open_partial
from labelcodec.mapdiff import difference


def create(partial: Path, force: bool) -> int:
    """Create a partial file; with `force`, an existing one is discarded first.

    Returns:
        Its locked file descriptor.

    Raises:
        MismatchError: one exists, or another process is writing it.
    """
    if force and partial.exists():
        fd = claim(partial)
        partial.unlink()
        unlock(fd)
    try:
        fd = open_partial(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        raise MismatchError(
            f"{partial}: an unfinished file exists; pass `resume=True` to continue it or "
            "`force=True` to start again"
        ) from None
    return lock(fd, partial)


def claim(partial: Path) -> int:
    """Open and lock an existing partial file.

    Returns:
        Its file descriptor.

    Raises:
        MismatchError: another process is writing it.
    """
    return lock(open_partial(partial, os.O_RDWR), partial)


def resume(
    fd: int, header: dict[str, Any], partial: Path, own: Set[str] = frozenset()
) -> Ledger | None:
    """Find the intact records of a partial file and cut off what follows them.

    Args:
        fd: the locked partial file.
        header: the header map of the run that wants to continue it.
        partial: path of the file, for error messages.
        own: header keys in which the file may differ; 'source.bytes' is a key in a map.

    Returns:
        The intact records; None, with nothing changed, if the file ends inside its header.

    Raises:
        MismatchError: the file was written with another header or version.
        FormatError: the file is not a container.
        CorruptError: its header is damaged.
    """
    if not _has_header(fd, partial):
        return None
    intact = scan_open(fd, partial, resynchronise=False)
    version = (layout.MAJOR, layout.MINOR)
    if intact.version != version:
        raise MismatchError(
            f"{partial}: was started in version {intact.version}, this library writes {version}; "
            "pass `force=True` to start again"
        )
    if what := difference(intact.header, header, own):
        raise MismatchError(
            f"{partial}: was started with another header: {what}; use the same settings and "
            "source, or `force=True` without `resume` to start again"
        )
    os.ftruncate(fd, intact.ledger.end)
    return intact.ledger


def _has_header(fd: int, partial: Path) -> bool:
    start = layout.PREAMBLE.size + layout.FRAME.size
    data = os.pread(fd, start, 0)
    if data[: len(layout.MAGIC)] != layout.MAGIC[: len(data)]:
        raise FormatError(f"{partial}: not a labelcodec container; pass `force=True` to replace it")
    if len(data) < start:
        return False
    _, length, _ = layout.FRAME.unpack_from(data, layout.PREAMBLE.size)
    torn = os.fstat(fd).st_size < start + length
    return not (torn and length <= layout.limit(layout.HEADER))

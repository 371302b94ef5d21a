"""Partial containers: creating, claiming and resuming `NAME.partial`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from labelcodec.container import layout
from labelcodec.container.ledger import Ledger
from labelcodec.container.scan import scan_open
from labelcodec.errors import FormatError, MismatchError
from labelcodec.files.locks import lock, unlock
from labelcodec.mapdiff import difference


def create(partial: Path, force: bool) -> int:
    """File descriptor of a new partial file; with `force` an old one is discarded first.

    Raises:
        MismatchError: there is an old one, or another process is writing it.
    """
    if force and partial.exists():
        fd = claim(partial)
        partial.unlink()
        unlock(fd)
    try:
        fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        raise MismatchError(
            f"{partial}: an unfinished file exists; pass --resume to continue it or --force to "
            "start again"
        ) from None
    return lock(fd, partial)


def claim(partial: Path) -> int:
    """File descriptor of the existing partial file, for this process alone.

    Raises:
        MismatchError: another process is writing it.
    """
    return lock(os.open(partial, os.O_RDWR | os.O_CLOEXEC), partial)


def resume(fd: int, header: dict[str, Any], partial: Path) -> Ledger | None:
    """The intact records of a partial file; what follows them is cut off.

    Returns:
        None, with nothing changed, if the file ends inside its header.

    Raises:
        MismatchError: it was written with another header or version.
        FormatError: it is not a container.
        CorruptError: its header is damaged.
    """
    if not _has_header(fd, partial):
        return None
    found = scan_open(fd, partial, resynchronise=False)
    version = (layout.MAJOR, layout.MINOR)
    if found.version != version:
        raise MismatchError(
            f"{partial}: was started in version {found.version}, this library writes {version}; "
            "pass --force to start again"
        )
    if what := difference(found.header, header):
        raise MismatchError(
            f"{partial}: was started with another header: {what}; use the same settings and "
            "source, or --force without --resume to start again"
        )
    os.ftruncate(fd, found.ledger.end)
    return found.ledger


def _has_header(fd: int, partial: Path) -> bool:
    start = layout.PREAMBLE.size + layout.FRAME.size
    data = os.pread(fd, start, 0)
    if data[: len(layout.MAGIC)] != layout.MAGIC[: len(data)]:
        raise FormatError(f"{partial}: not a labelcodec container; pass --force to replace it")
    if len(data) < start:
        return False
    _, length, _ = layout.FRAME.unpack_from(data, layout.PREAMBLE.size)
    torn = os.fstat(fd).st_size < start + length
    return not (torn and length <= layout.limit(layout.HEADER))

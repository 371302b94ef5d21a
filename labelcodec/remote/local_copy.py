"""Whole copies of files elsewhere on this machine."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labelcodec.remote.remote_file import RemoteFile

_CHUNK = 8 << 20  # bytes of a request
FOLDER = "LABELCODEC_CACHE"  # environment variable


@dataclass(frozen=True)
class LocalCopy:
    """A copy of a file elsewhere.

    Attributes:
        path: the copy.
        origin: the file.
        identity: size and version of the file.
    """

    path: Path
    origin: RemoteFile
    identity: tuple[int, str]


def cache_folder() -> Path:
    """Folder of copies: that in LABELCODEC_CACHE, or `labelcodec` in the user's cache folder."""
    if folder := os.environ.get(FOLDER):
        return Path(folder)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "labelcodec"


def path_of_copy(file: RemoteFile, size: int, version: str) -> Path:
    """Path of the copy of one version of a file."""
    key = f"{file.url}\n{size}\n{version}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    name = re.sub(r"[^A-Za-z0-9._-]", "_", file.name)[-80:] or "labels.slc"
    return cache_folder() / digest / name


def stored(path: Path, fill: Callable[[IO[bytes]], None]) -> Path:
    """Create a copy, which appears at its path once it is complete.

    Args:
        path: the copy.
        fill: writes its content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return path


def copied(
    read: Callable[[int, int], bytes], size: int, announce: Callable[[list[tuple[int, int]]], None]
) -> Callable[[IO[bytes]], None]:
    """What fills a copy from a source of ranges; arguments are as of `Source`."""

    def fill(file: IO[bytes]) -> None:
        chunks = [(at, min(_CHUNK, size - at)) for at in range(0, size, _CHUNK)]
        for number, (offset, length) in enumerate(chunks):
            announce(chunks[number:])
            file.write(read(offset, length))

    return fill

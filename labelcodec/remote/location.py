"""Where labels are: a path of this machine, or a file elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelcodec.errors import ConfigError
from labelcodec.remote.remote_file import Cache, RemoteFile

Location = Path | RemoteFile
LocationLike = (
    Any  # str, os.PathLike, RemoteFile, (file system, path), OpenFile, binary file object
)
Identity = tuple[int, int | str]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:::[A-Za-z][A-Za-z0-9+.-]+)*://")
_ONE_SLASH = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]+:)/(?!/)(?P<rest>.+)", re.DOTALL)
_LOCAL = re.compile(r"(?:file|local)://(?P<path>.*)", re.DOTALL)


def is_url(text: str) -> bool:
    """Whether a text is a URL and no path: a protocol of at least two letters and '://'."""
    return _URL.match(text) is not None


def as_location(
    labels: LocationLike,
    storage_options: Mapping[str, Any] | None = None,
    cache: Cache | None = None,
) -> Location:
    """Where a file is that a caller named.

    Args:
        labels: a path; a URL; a `RemoteFile`; an fsspec file system and a path of it; what
            `fsspec.open` returns; or a binary Python file object that can seek.
        storage_options: options of the fsspec file system that opens a URL.
        cache: as in `RemoteFile`.

    Raises:
        ConfigError: options for a file of this machine or of an opened file system, a text file, or
            a URL with one slash.
        TypeError: it is none of these.
    """
    location = _as_remote(labels)
    if location is None:
        path = Path(_local_path(labels))
        if storage_options or cache:
            raise ConfigError(f"{path}: is on this machine; `storage_options` and `cache` are not")
        return path
    if storage_options:
        if location.filesystem is not None:
            raise ConfigError(f"{location}: `storage_options` go to its file system itself")
        location = replace(location, storage_options=dict(storage_options))
    return replace(location, cache=cache) if cache else location


def _local_path(labels: LocationLike) -> str:
    text = os.fspath(labels)
    match = _LOCAL.fullmatch(text)
    if match is not None:
        return match["path"]
    url = _ONE_SLASH.fullmatch(text)
    if url is not None and not os.path.exists(url["protocol"]):
        raise ConfigError(
            f"{text}: no such file, and a URL has two slashes: pass "
            f"{url['protocol']}//{url['rest']}"
            f"{'' if isinstance(labels, str) else ' as a str, a Path keeps one'}"
        )
    return text


def _as_remote(labels: LocationLike) -> RemoteFile | None:
    """A file elsewhere; None for a path of this machine."""
    if isinstance(labels, RemoteFile):
        return labels
    if isinstance(labels, str):
        return RemoteFile(labels) if is_url(labels) and not _LOCAL.match(labels) else None
    if isinstance(labels, os.PathLike):
        return None
    if is_in_filesystem(labels):
        return RemoteFile(str(labels[1]), filesystem=labels[0])
    if hasattr(labels, "fs") and isinstance(getattr(labels, "path", None), str):
        if getattr(labels, "compression", None):
            raise ConfigError(f"{labels.path}: a compressed file has no ranges; unpack it")
        return RemoteFile(labels.path, filesystem=labels.fs)
    if hasattr(labels, "read") and hasattr(labels, "seek"):
        name = getattr(labels, "name", None)
        if hasattr(labels, "encoding"):
            raise ConfigError(f"{name}: is open as text; open it with mode 'rb'")
        return RemoteFile(name if isinstance(name, str) else "<file object>", file=labels)
    return None


def is_in_filesystem(labels: LocationLike) -> bool:
    """Whether this is an fsspec file system and a path of it."""
    return isinstance(labels, tuple) and len(labels) == 2 and hasattr(labels[0], "cat_file")

"""Ranges of a file of any fsspec file system."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from labelcodec.errors import LabelcodecError, MismatchError, RemoteError
from labelcodec.extras import needing_extra
from labelcodec.remote.per_process import PerProcess
from labelcodec.remote.ranges import HEAD
from labelcodec.remote.remote_file import RemoteFile
from labelcodec.remote.retrying import Transient, retried

# What file systems call the version of a file; the first one that is there is taken.
_VERSIONS = (
    *("ETag", "etag", "generation", "VersionId", "version_id", "md5Hash", "content_hash"),
    *("LastModified", "last_modified", "mtime", "updated", "modified", "created"),
)


class FilesystemRanges:
    """A file of an fsspec file system; see `Ranges`.

    The file's size and version are asked for again after every range.

    Args:
        file: the file: its URL with options, or its file system and path.

    Raises:
        FileNotFoundError: there is no such file.
        RemoteError: the protocol is unknown, its package missing, or the file cannot be reached.
    """

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self._opened = PerProcess(lambda: opened_filesystem(file))
        self.size, self.version = retried(self._state, file)
        self.head = self.fetch(0, min(HEAD, self.size)) if self.size else b""

    def fetch(self, offset: int, size: int) -> bytes:
        """The bytes of a range, see `Ranges`."""
        return retried(lambda: self._part(offset, size), self.file)

    def _part(self, offset: int, size: int) -> bytes:
        filesystem, path = self._opened()
        with reporting(self.file):
            data = bytes(filesystem.cat_file(path, start=offset, end=offset + size))
        state = self._state()
        if state != (self.size, self.version):
            raise MismatchError(
                f"{self.file}: was replaced while it was read: size and version were "
                f"{(self.size, self.version)}, now they are {state}; open it again"
            )
        if len(data) != size:
            raise Transient(f"{len(data)} bytes of {size}")
        return data

    def _state(self) -> tuple[int, str]:
        """Size and version of the file as it is now."""
        filesystem, path = self._opened()
        with reporting(self.file):
            filesystem.invalidate_cache(path)
            facts = filesystem.info(path)
        if facts.get("type") == "directory":
            raise RemoteError(f"{self.file}: is a folder, expected a container")
        if not isinstance(facts.get("size"), int):
            raise RemoteError(
                f"{self.file}: its file system does not know its size; download it first"
            )
        return facts["size"], _version(facts)


def _version(facts: Mapping[str, Any]) -> str:
    return next((str(facts[name]) for name in _VERSIONS if facts.get(name)), "")


def opened_filesystem(file: RemoteFile) -> tuple[Any, str]:
    """The file system of a file, one of this process, and its path there.

    Raises:
        RemoteError: the protocol is unknown, or the package of its file system is missing.
    """
    if file.filesystem is not None:
        # An unpickled copy is one of this process, also after a fork.
        return pickle.loads(pickle.dumps(file.filesystem)), file.url
    with needing_extra(f"{file}: reading a file elsewhere"):
        import fsspec
    try:
        filesystem, path = fsspec.core.url_to_fs(file.url, **file.storage_options)
    except (ValueError, TypeError) as error:
        raise RemoteError(f"{file}: cannot be opened: {error}") from None
    except ImportError as error:
        raise RemoteError(
            f"{file}: the file system of {file.protocol}:// needs a package: {error}"
        ) from None
    return filesystem, str(path)


@contextmanager
def reporting(file: RemoteFile) -> Iterator[None]:
    """Turn what a file system raises into errors that say what to do.

    Raises:
        FileNotFoundError: there is no such file.
        RemoteError: access is refused.
        Transient: any other failure, which may be over at the next attempt.
    """
    try:
        yield
    except (LabelcodecError, Transient):
        raise
    except FileNotFoundError:
        raise FileNotFoundError(2, "no such file", str(file)) from None
    except Exception as error:
        kind = type(error).__name__
        if isinstance(error, PermissionError) or "credentials" in kind.lower():
            raise RemoteError(
                f"{file}: access is refused: set the credentials of its store in the environment, "
                f"or pass them in `storage_options` ({error})"
            ) from None
        raise Transient(f"{kind}: {error}") from None

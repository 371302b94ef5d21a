"""Ranges of a binary Python file object."""

from __future__ import annotations

import io
import os
from threading import Lock
from typing import Any

from labelcodec.errors import CorruptError, RemoteError
from labelcodec.remote.remote_file import RemoteFile


class FileObjectRanges:
    """An open binary file that can seek; see `Ranges`. It stays open when the reader is closed.

    Threads take turns. A forked process would share the position of the file with its parent, so
    that only a file in memory is read there.

    Args:
        file: the description of a file object.

    Raises:
        RemoteError: it cannot seek.
    """

    def __init__(self, file: RemoteFile) -> None:
        self.file, self._object, self._lock = file, file.file, Lock()
        self._process = os.getpid()
        try:
            self.size = int(self._object.seek(0, os.SEEK_END))
        except (OSError, ValueError, TypeError) as error:
            raise RemoteError(f"{file}: cannot seek ({error}); save it to a file") from None
        self.version = ""
        self.head = b""

    def fetch(self, offset: int, size: int) -> bytes:
        """The bytes of a range, see `Ranges`.

        Raises:
            CorruptError: the file ends earlier.
        """
        if os.getpid() != self._process and not isinstance(self._object, io.BytesIO):
            raise RemoteError(
                f"{self.file}: a file object cannot be shared with another process; open the file "
                "by its path or URL"
            )
        with self._lock:
            data = _read(self._object, offset, size)
        if len(data) != size:
            raise CorruptError(
                f"{self.file}: byte {offset}: {len(data)} bytes, expected {size}: the file was "
                "cut short"
            )
        return data


def _read(file: Any, offset: int, size: int) -> bytes:
    file.seek(offset)
    data = b""
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data

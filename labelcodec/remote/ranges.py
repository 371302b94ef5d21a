"""Byte ranges of a file elsewhere, however they are fetched."""

from __future__ import annotations

from typing import Protocol

from labelcodec.remote.remote_file import RemoteFile

HEAD = 68 << 10  # bytes that opening fetches first: mostly the header and the codec's tables


class Ranges(Protocol):
    """A file elsewhere, opened.

    Attributes:
        file: the file, to be opened again as the same version where there are versions.
        size: its size in bytes.
        version: changes when the file is replaced: an ETag, a date, a commit; '' if unknown.
        head: its first bytes, at most `HEAD`.
    """

    file: RemoteFile
    size: int
    version: str
    head: bytes

    def fetch(self, offset: int, size: int) -> bytes:
        """The bytes of a range inside the file; threads and forked processes may call it.

        Raises:
            RemoteError: they cannot be fetched.
            MismatchError: the file was replaced.
        """

"""Ranges of an object in S3, each on the condition that it is the version that was opened."""

from __future__ import annotations

import re
from typing import Any

from labelcodec.errors import FormatError, MismatchError
from labelcodec.remote.filesystem_ranges import opened_filesystem, reporting
from labelcodec.remote.per_process import PerProcess
from labelcodec.remote.ranges import HEAD
from labelcodec.remote.remote_file import RemoteFile
from labelcodec.remote.retrying import Transient, retried

_REPLACED, _EMPTY = "PreconditionFailed", "InvalidRange"


class S3Ranges:
    """An object in S3, read with s3fs; see `Ranges`.

    Args:
        file: the object: its URL with options, or its file system and path.

    Raises:
        FileNotFoundError: there is no such object.
        RemoteError: s3fs is not installed, or the object cannot be reached.
    """

    def __init__(self, file: RemoteFile) -> None:
        self.file, self.version = file, ""
        self._opened = PerProcess(lambda: opened_filesystem(file))
        self.head, self.size, self.version = retried(lambda: self._part(0, HEAD), file)

    def fetch(self, offset: int, size: int) -> bytes:
        """The bytes of a range, see `Ranges`."""
        return retried(lambda: self._part(offset, size), self.file)[0]

    def _part(self, offset: int, size: int) -> tuple[bytes, int, str]:
        """Bytes of the object, its size, and its ETag."""
        filesystem, path = self._opened()
        from fsspec.asyn import sync

        with reporting(self.file):
            try:
                data, total, version = sync(
                    filesystem.loop, _object, filesystem, path, offset, size, self.version
                )
            except Exception as error:
                raise self._named(error, offset) from None
        if len(data) != min(offset + size, total) - offset:
            raise Transient(f"{len(data)} bytes of {size}")
        return data, total, version

    def _named(self, error: Exception, offset: int) -> Exception:
        code = _code(error)
        if code == _REPLACED or (code == _EMPTY and offset):
            return MismatchError(
                f"{self.file}: was replaced while it was read: its ETag is no more {self.version}; "
                "open it again"
            )
        if code == _EMPTY:
            return FormatError(f"{self.file}: not a labelcodec container: it is empty")
        return error


async def _object(
    filesystem: Any, path: str, offset: int, size: int, version: str
) -> tuple[bytes, int, str]:
    bucket, key, number = filesystem.split_path(path)
    conditions = {"VersionId": number} if number else {}
    if version:
        conditions["IfMatch"] = version
    span = f"bytes={offset}-{offset + size - 1}"
    answer = await filesystem._call_s3(
        "get_object", Bucket=bucket, Key=key, Range=span, **conditions
    )
    try:
        data = await answer["Body"].read()
    finally:
        answer["Body"].close()
    total = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.get("ContentRange", ""))
    if total is None:
        raise Transient("an answer without its range")
    return data, int(total[1]), answer["ETag"]


def _code(error: BaseException | None) -> str:
    """The code of a refusal of S3, which s3fs translates into errors of the system."""
    while error is not None:
        answer = getattr(error, "response", None)
        if isinstance(answer, dict):
            return str(answer.get("Error", {}).get("Code", ""))
        error = error.__cause__
    return ""

"""Opening of files elsewhere: which client fetches them, and where their bytes are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import IO

from labelcodec.errors import MismatchError, RemoteError
from labelcodec.remote.block_cache import BlockCache
from labelcodec.remote.file_object import FileObjectRanges
from labelcodec.remote.filesystem_ranges import FilesystemRanges
from labelcodec.remote.http_ranges import HttpClient, HttpRanges, IgnoresRanges
from labelcodec.remote.hub import open_on_hub
from labelcodec.remote.local_copy import LocalCopy, copied, path_of_copy, stored
from labelcodec.remote.location import Identity
from labelcodec.remote.per_process import PerProcess
from labelcodec.remote.ranges import Ranges
from labelcodec.remote.read_ahead import ReadAhead
from labelcodec.remote.remote_file import RemoteFile
from labelcodec.remote.retrying import retried
from labelcodec.remote.s3_ranges import S3Ranges


class RemoteSource:
    """An opened file elsewhere; see `container.source.Source`. Each process has its own threads.

    Args:
        ranges: fetches its bytes.
        cached: whether they are kept on disk.
    """

    def __init__(self, ranges: Ranges, cached: bool = False) -> None:
        self.location = ranges.file
        self.size, self.head = ranges.size, ranges.head
        self.identity: Identity = ranges.size, ranges.version
        self._blocks: BlockCache | None = None
        if cached:
            if not ranges.version:
                raise RemoteError(
                    f"{ranges.file}: the server does not tell its versions apart, so that blocks "
                    "may not be kept; open it with `cache='file'`, or with none"
                )
            path = path_of_copy(ranges.file, ranges.size, ranges.version)
            self._blocks = BlockCache(path, ranges.size, ranges.fetch)
        fetch = ranges.fetch if self._blocks is None else self._blocks.read
        self._memory = PerProcess(lambda: ReadAhead(fetch))

    def read(self, offset: int, size: int) -> bytes:
        """The bytes of a range."""
        if offset + size <= len(self.head):
            return self.head[offset : offset + size]
        return self._memory().read(offset, size)

    def read_ahead(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Fetch ranges that will be read next in the background."""
        known = len(self.head)
        self._memory().announce(part for part in ranges if sum(part) > known)

    def forget(self, offset: int, size: int) -> bool:
        """True: the next read fetches these bytes again."""
        self.head = self.head[:offset]
        self._memory().forget(offset, size)
        if self._blocks is not None:
            self._blocks.forget(offset, size)
        return True

    def close(self) -> None:
        """End the threads of this process."""
        self._memory().close()


def open_remote(file: RemoteFile) -> RemoteSource | LocalCopy:
    """Open a file elsewhere.

    Args:
        file: the file. Its protocol, and nothing in its content, decides how it is read.

    Returns:
        Its bytes by ranges; or a copy of all of it, with cache 'file' and for small files on the
        Hub.

    Raises:
        FileNotFoundError: there is no such file.
        RemoteError: it cannot be reached, or is not read by ranges.
    """
    if file.file is not None:
        return RemoteSource(FileObjectRanges(file))
    if file.filesystem is None and file.protocol == "hf" and file.url.startswith("hf://"):
        opened = open_on_hub(file)
        if isinstance(opened, LocalCopy):
            return opened
        return RemoteSource(opened, file.cache == "blocks")
    try:
        ranges = _ranges(file)
    except IgnoresRanges as whole:
        if file.cache != "file":
            raise
        return _downloaded_at_once(file, whole.size, whole.version)
    if file.cache == "file":
        return _downloaded(ranges)
    return RemoteSource(ranges, file.cache == "blocks")


def _ranges(file: RemoteFile) -> Ranges:
    if file.filesystem is not None:
        protocol = file.filesystem.protocol
        protocols = {protocol} if isinstance(protocol, str) else set(protocol)
        return S3Ranges(file) if "s3" in protocols else FilesystemRanges(file)
    if "::" in file.url.partition("://")[0]:
        return FilesystemRanges(file)
    by_protocol: dict[str, Callable[[RemoteFile], Ranges]] = {
        "http": HttpRanges,
        "https": HttpRanges,
        "s3": S3Ranges,
        "s3a": S3Ranges,
    }
    return by_protocol.get(file.protocol, FilesystemRanges)(file)


def _downloaded(ranges: Ranges) -> LocalCopy:
    """A copy of a file that is read by ranges; one of this version is taken as it is."""
    path = path_of_copy(ranges.file, ranges.size, ranges.version)
    if not (ranges.version and path.exists() and path.stat().st_size == ranges.size):
        source = RemoteSource(ranges)
        stored(path, copied(source.read, ranges.size, source.read_ahead))
        source.close()
    return LocalCopy(path, ranges.file, (ranges.size, ranges.version))


def _downloaded_at_once(file: RemoteFile, size: int, version: str) -> LocalCopy:
    """A copy of a file on a web server that ignores ranges; one of this version is taken as it is.

    Args:
        file: the file.
        size: its size; -1 if the server does not say.
        version: its version; '' if the server does not say: then it is downloaded anew each time.

    Raises:
        MismatchError: it was replaced in the meantime.
    """
    client = HttpClient(file, file.url, {})
    path = path_of_copy(file, size, version)

    def fill(copy: IO[bytes]) -> None:
        def attempt() -> str:
            copy.seek(0)
            copy.truncate()
            return client.download(copy.write)

        if retried(attempt, file) != version:
            raise MismatchError(f"{file}: was replaced while it was downloaded; open it again")

    if not (version and path.exists() and size in (-1, path.stat().st_size)):
        stored(path, fill)
    return LocalCopy(path, file, (path.stat().st_size, version))

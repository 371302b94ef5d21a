"""Ranges of a file on a web server (RFC 9110, section 14), through fsspec's HTTP sessions."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple, cast

from labelcodec.errors import (
    ConfigError,
    FormatError,
    LabelcodecError,
    MismatchError,
    RemoteError,
)
from labelcodec.extras import needing_extra
from labelcodec.remote.per_process import PerProcess
from labelcodec.remote.ranges import HEAD
from labelcodec.remote.remote_file import RemoteFile
from labelcodec.remote.retrying import Transient, retried

_CONTENT_RANGE = re.compile(r"bytes (?P<first>\d{1,19})-(?P<last>\d{1,19})/(?P<size>\d{1,19})")
_CONNECTING, _WAITING = 15, 30  # seconds for a connection, and between two parts of an answer
_BUSY = {408, 425, 429, 500, 502, 503, 504}


class IgnoresRanges(RemoteError):
    """The server sends whole files only.

    Attributes:
        size: of the file, in bytes; -1 if the server does not say.
        version: of the file; '' if the server does not say.
    """

    def __init__(self, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        size = _length(headers)
        self.size = -1 if math.isinf(size) else int(size)
        self.version = _version(headers)


class Part(NamedTuple):
    """An answer to a request for a range: its bytes, and the file's size and version."""

    data: bytes
    size: int
    version: str


class HttpRanges:
    """A file on a web server; see `Ranges`.

    Every answer is checked: its range, its length, and that the file's size and ETag, or else its
    date, are those of the first answer.

    Args:
        file: the file, as error messages name it.
        url: where it is fetched; by default its own URL.
        headers: of every request, besides those of its options.
        version: of a file that cannot change; None to take it from the server's answers.

    Raises:
        FileNotFoundError: the server has no such file.
        RemoteError: it cannot be reached, refuses access, or ignores ranges.
    """

    def __init__(
        self,
        file: RemoteFile,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        version: str | None = None,
    ) -> None:
        self.file, self._fixed = file, version
        self._client = HttpClient(file, url or file.url, headers or {})
        self._known: tuple[int, str] | None = None
        first = retried(lambda: self._client.part(0, HEAD), file)
        self.head, self.size = first.data, first.size
        self._known = first.size, first.version
        self.version = first.version if version is None else version

    def fetch(self, offset: int, size: int) -> bytes:
        """The bytes of a range, see `Ranges`."""
        part = retried(lambda: self._client.part(offset, size), self.file)
        known = self._known if self._fixed is None else (self.size, part.version)
        if (part.size, part.version) != known:
            raise MismatchError(
                f"{self.file}: was replaced while it was read: size and version were "
                f"{self._known}, now they are {(part.size, part.version)}; open it again"
            )
        return part.data


class HttpClient:
    """Requests for one file on a web server, with the session of fsspec's file system.

    Args:
        file: the file, as error messages name it, and its options.
        url: where it is fetched.
        headers: of every request.
    """

    def __init__(self, file: RemoteFile, url: str, headers: Mapping[str, str]) -> None:
        self._file, self._url, self._headers = file, url, headers
        self._filesystem = PerProcess(self._opened)

    def _opened(self) -> Any:
        with needing_extra(f"{self._file}: reading from a web server"):
            import aiohttp  # noqa: F401  (fsspec would name it another way)
            import fsspec

            return fsspec.filesystem("http", **_options(self._file))

    def part(self, offset: int, size: int) -> Part:
        """One request for a range, cut at the end of the file.

        Raises:
            Transient: it may succeed when it is made again.
        """
        return cast(Part, self._run(lambda: self._part(offset, size)))

    def download(self, write: Callable[[bytes], object]) -> str:
        """One request for the whole file; returns its version.

        Raises:
            Transient: it may succeed when it is made again.
        """
        return cast(str, self._run(lambda: self._download(write)))

    def _run(self, request: Callable[[], Awaitable[object]]) -> object:
        filesystem = self._filesystem()
        import aiohttp
        from fsspec.asyn import sync

        async def run() -> object:
            return await request()

        try:
            return sync(filesystem.loop, run)
        except aiohttp.InvalidURL as error:
            raise ConfigError(f"{self._file}: is no address: {error}") from None
        except FileNotFoundError:
            raise
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise Transient(f"no answer ({str(error) or type(error).__name__})") from None

    async def _part(self, offset: int, size: int) -> Part:
        span = f"bytes={offset}-{offset + size - 1}"
        async with self._answer({"Range": span}) as answer:
            if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise _beyond_end(offset, self._file)
            if answer.status == HTTPStatus.OK and offset == 0 and _length(answer.headers) <= size:
                data = await answer.read()  # the whole of a small file
                return Part(data, len(data), _version(answer.headers))
            if answer.status != HTTPStatus.PARTIAL_CONTENT:
                raise IgnoresRanges(
                    f"{self._file}: the server ignores ranges and would send the whole file each "
                    "time; open it with `cache='file'`, which downloads it once, or download it "
                    "yourself",
                    answer.headers,
                )
            match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if match is None:
                raise IgnoresRanges(
                    f"{self._file}: the server does not say which range of how many bytes it "
                    "sends; open it with `cache='file'`, which downloads it first",
                    {},
                )
            first, last, total = (int(match[name]) for name in ("first", "last", "size"))
            if first != offset or last != min(offset + size, total) - 1:
                raise Transient(f"bytes {first}-{last} of {total} instead of {span}")
            data = await answer.read()
            if len(data) != last - first + 1:
                raise Transient(f"{len(data)} bytes of {last - first + 1}")
            return Part(data, total, _version(answer.headers))

    async def _download(self, write: Callable[[bytes], object]) -> str:
        async with self._answer({}) as answer:
            async for data in answer.content.iter_chunked(1 << 20):
                write(data)
            return _version(answer.headers)

    @asynccontextmanager
    async def _answer(self, headers: dict[str, str]) -> AsyncIterator[Any]:
        import aiohttp

        filesystem = self._filesystem()
        session = await filesystem.set_session()
        options = dict(filesystem.kwargs)
        if "timeout" not in {*options, *filesystem.client_kwargs}:
            options["timeout"] = aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECTING, sock_read=_WAITING
            )
        try:
            own = options.pop("headers", None) or {}
            sent = {"Accept-Encoding": "identity", **own, **self._headers, **headers}
            request = await session.get(filesystem.encode_url(self._url), headers=sent, **options)
        except (TypeError, ValueError) as error:
            raise RemoteError(
                f"{self._file}: the address, or an option for it, does not do: {error}"
            ) from None
        async with request as answer:
            refuse(answer.status, answer.headers, self._file)
            yield answer


def _options(file: RemoteFile) -> dict[str, Any]:
    """Options of fsspec's HTTP file system; those of another one are left out."""
    return dict(file.storage_options) if file.protocol in ("http", "https") else {}


def _beyond_end(offset: int, file: RemoteFile) -> LabelcodecError:
    if offset:
        return MismatchError(
            f"{file}: was replaced while it was read, by a shorter file; open it again"
        )
    return FormatError(f"{file}: not a labelcodec container: it is empty")


def refuse(status: int, headers: Mapping[str, str], file: RemoteFile) -> None:
    """Raise the error that a status is, if it is one.

    Raises:
        Transient: the server is busy.
        FileNotFoundError: there is no such file.
        RemoteError: access is refused, or another error.
    """
    if status in _BUSY:
        raise Transient(f"the server answers {status}", _retry_after(headers))
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise FileNotFoundError(2, f"no such file on the server (status {status})", str(file))
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise RemoteError(
            f"{file}: the server refuses access (status {status}): a private file needs its token "
            'or password in `storage_options`, such as {"headers": {"Authorization": "Bearer …"}}, '
            "and a signed link may have expired"
        )
    if status >= 400 and status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise RemoteError(f"{file}: the server answers with status {status}; check the address")


def _length(headers: Mapping[str, str]) -> float:
    """Length of an answer in bytes; infinite if the server does not say."""
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdecimal() else math.inf


def _version(headers: Mapping[str, str]) -> str:
    """What tells versions of a file apart; '' if the server does not say."""
    return headers.get("ETag") or headers.get("Last-Modified") or ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a busy server asks to wait (RFC 9110, section 10.2.3)."""
    text = headers.get("Retry-After", "")
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None

"""Bytes of a file elsewhere that are in memory: fetched ahead, or read a short time ago."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock

from labelcodec.remote.coalescing import LARGEST, Range, coalesced
from labelcodec.remote.fetchers import Fetchers

AHEAD = 32 << 20  # bytes that are fetched before they are read
KEPT = 3 * AHEAD  # bytes in memory, those that were read included


@dataclass(frozen=True, eq=False)
class _Part:
    """A range that was fetched or is being fetched."""

    offset: int
    size: int
    data: Future[bytes]

    def covers(self, offset: int, size: int) -> bool:
        return self.offset <= offset and offset + size <= self.offset + self.size


class ReadAhead:
    """Reads ranges, fetches announced ones in the background, and keeps the latest ones.

    Args:
        fetch: fetches a range; several threads call it.
    """

    def __init__(self, fetch: Callable[[int, int], bytes]) -> None:
        self._fetch = fetch
        self._fetchers = Fetchers()
        self._lock = Lock()
        self._parts: OrderedDict[int, _Part] = OrderedDict()  # by offset; the latest used is last
        self._offsets: list[int] = []  # of the parts, ascending
        self._bytes = 0
        self._planned = self._unread = 0  # bytes of the last plan, and those of them not read

    def read(self, offset: int, size: int) -> bytes:
        """The bytes of a range."""
        with self._lock:
            part = self._covering(offset, size)
            last = self._covering(offset + size - 1, 1) if part is None and size else None
            self._unread = 0 if part is None else max(self._unread - size, 0)
        if last is not None and last.offset > offset:  # only its beginning is missing
            missing = last.offset - offset
            return self.read(offset, missing) + self.read(last.offset, size - missing)
        if part is None:
            data = self._fetch(offset, size)
            ready: Future[bytes] = Future()
            ready.set_result(data)
            with self._lock:
                self._add(_Part(offset, size, ready))
            return data
        try:
            data = part.data.result()
        except BaseException:
            self.forget(offset, size)  # so that another read tries again
            raise
        start = offset - part.offset
        return data[start : start + size]

    def announce(self, ranges: Iterable[Range]) -> None:
        """Fetch ranges that will be read next, in this order, as far ahead as there is room."""
        if self._unread > self._planned // 2:
            return
        with self._lock:
            due: list[Range] = []
            total = missing = 0
            for offset, size in ranges:
                if due and total + size > AHEAD:
                    break
                total += size
                due.append((offset, size))
                missing += 0 if self._covering(offset, size) else size
            if not missing or missing < min(LARGEST, total // 2):
                return
            self._planned = self._unread = total
            for offset, size in coalesced(
                wanted for wanted in due if self._covering(*wanted) is None
            ):
                self._add(_Part(offset, size, self._submitted(offset, size)))

    def forget(self, offset: int, size: int) -> None:
        """Drop what is kept of a range."""
        with self._lock:
            for part in list(self._parts.values()):
                if part.offset < offset + size and offset < part.offset + part.size:
                    self._drop(part)

    def close(self) -> None:
        """End the threads."""
        self._fetchers.close()

    def _submitted(self, offset: int, size: int) -> Future[bytes]:
        return self._fetchers.submit(lambda: self._fetch(offset, size))

    def _covering(self, offset: int, size: int) -> _Part | None:
        """The part that a range lies in; None if there is none."""
        at = bisect_right(self._offsets, offset) - 1
        if at < 0:
            return None
        part = self._parts[self._offsets[at]]
        if not part.covers(offset, size):
            return None
        self._parts.move_to_end(part.offset)
        return part

    def _add(self, part: _Part) -> None:
        if (same := self._parts.get(part.offset)) is not None:
            if same.size >= part.size:
                return
            self._drop(same)
        self._parts[part.offset] = part
        insort(self._offsets, part.offset)
        self._bytes += part.size
        while self._bytes > KEPT and len(self._parts) > 1:
            self._drop(next(iter(self._parts.values())))

    def _drop(self, part: _Part) -> None:
        del self._parts[part.offset]
        del self._offsets[bisect_right(self._offsets, part.offset) - 1]
        self._bytes -= part.size

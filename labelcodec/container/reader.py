"""Random access to a finished container: one read per record, checksum verified."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from labelcodec.container import batch_prefix, layout
from labelcodec.container.index import Index, Section
from labelcodec.container.opening import Opened, open_container
from labelcodec.container.record import payload_of, repair_or_report
from labelcodec.container.source import Source
from labelcodec.errors import CorruptError
from labelcodec.loading import LOADING
from labelcodec.remote import Identity, LocationLike, as_location

_FETCHES = 3  # of a record that comes damaged from elsewhere


class RecordReader:
    """Reads a finished container, batch by batch.

    Threads and forked processes may share a reader: it reads by offset and has no file position. A
    pickled reader is a location and the identity of the file; it reopens the file on first use.

    Args:
        path: the container, here or elsewhere.
        hold: whether a local file stays open, which is faster; else each read opens it.

    Raises:
        FormatError: the file is not a container or breaks a rule of the format.
        VersionError: the file was written by a newer major version.
        CorruptError: the file is truncated or damaged; `labelcodec repair` keeps what is intact.
        UnsupportedError: the file holds a critical section that this library does not know.
        RemoteError: the file is elsewhere and cannot be reached.
    """

    def __init__(self, path: LocationLike, *, hold: bool = True) -> None:
        self.path, self._hold = as_location(path), hold
        self._start(None)
        self._file()

    def _start(self, identity: Identity | None) -> None:
        self._identity = identity
        self._opened: Opened | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._closed = False

    def _file(self) -> Opened:
        if (opened := self._opened) is not None:
            return opened
        with LOADING:
            if self._closed:
                raise ValueError(f"{self.path}: the reader is closed")
            if self._opened is None:
                opened = open_container(self.path, self._identity, self._hold)
                self._finalizer = weakref.finalize(self, opened.source.close)
                self._opened = opened
            return self._opened

    def __getstate__(self) -> dict[str, Any]:
        source = self._file().source
        location = source.location
        if isinstance(location, Path):
            location = location.absolute()
        return {"path": location, "identity": source.identity, "hold": self._hold}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self._hold = state["path"], state["hold"]
        self._start(state["identity"])

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self._file().source.size

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version of the file."""
        return self._file().version

    @property
    def header(self) -> dict[str, Any]:
        """The header map, as stored."""
        return self._file().header

    @property
    def index(self) -> Index:
        """The index: where every record is, and which batch it holds."""
        return self._file().index

    @property
    def sides(self) -> int:
        """Number of side information records."""
        return len(self._file().sides)

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.index)

    def batch(self, position: int) -> tuple[int, memoryview]:
        """Read the batch at `position` (0..n-1) in file order, in one read of the record's size.

        Returns:
            The number of its side information, and its codec bytes.

        Raises:
            CorruptError: the record is damaged or does not match the index.
            IndexError: `position` is out of range.
        """
        file = self._file()
        index = file.index
        if not 0 <= position < len(index.offset):
            raise IndexError(f"{self.path}: batch position {position} of {len(index)}")
        offset, size = index.offset.item(position), index.size.item(position)
        payload = self._payload(file.source, offset, size, layout.BATCH)
        samples, number = index.samples.item(position), index.number.item(position)
        try:
            side, codec_bytes = batch_prefix.split(
                payload, (samples, number, index.epoch.item(position))
            )
            if side >= len(file.sides):
                raise ValueError(
                    f"the batch needs side information {side}, the file has {len(file.sides)} "
                    "of them"
                )
        except ValueError as error:
            raise CorruptError(f"{self.path}: byte {offset}: {error}") from None
        return side, codec_bytes

    def side(self, number: int) -> bytes:
        """Read side information `number`.

        Raises:
            CorruptError: the record is damaged.
            IndexError: `number` is out of range.
        """
        sides = self._file().sides
        if not 0 <= number < len(sides):
            raise IndexError(f"{self.path}: side information {number} of {len(sides)}")
        payload = self.section(sides[number])
        (stored,) = layout.SIDE.unpack_from(payload)
        if stored != number:
            raise CorruptError(
                f"{self.path}: byte {sides[number].offset}: found side information {stored}, "
                f"expected {number}; {repair_or_report(self.path)}"
            )
        return payload[layout.SIDE.size :]

    def names(self) -> bytes | None:
        """Payload of the image names section; None if there is none."""
        sections = self.index.of(layout.NAMES)
        return self.section(sections[0]) if sections else None

    def section(self, section: Section) -> bytes:
        """Payload of one of `index.sections`, known to this library or not.

        Raises:
            CorruptError: the record is damaged.
        """
        source = self._file().source
        return bytes(self._payload(source, section.offset, section.size, section.tag))

    def read_ahead(self, positions: Iterable[int]) -> None:
        """Announce the batches that will be read next, so that a file elsewhere is read ahead."""
        file = self._file()
        offset, size = file.index.offset, file.index.size
        file.source.read_ahead((int(offset[i]), int(size[i])) for i in positions)

    def _payload(self, source: Source, offset: int, size: int, tag: bytes) -> memoryview:
        """Payload of a record, which is fetched again if it came damaged from elsewhere."""
        for _ in range(_FETCHES - 1):
            try:
                return payload_of(source.read(offset, size), offset, tag, self.path)
            except CorruptError:
                if not source.forget(offset, size):
                    raise
        return payload_of(source.read(offset, size), offset, tag, self.path)

    def verify(self) -> None:
        """Read every record and check it against its checksum and the index.

        Raises:
            CorruptError: a record is damaged; the message names the first one.
        """
        for number in range(self.sides):
            self.side(number)
        for section in self.index.sections:
            self.section(section)
        for position in range(len(self)):
            self.batch(position)

    def close(self) -> None:
        """Close the file; the reader cannot be used afterwards."""
        with LOADING:
            self._closed = True
            self._opened = None
            if self._finalizer is not None:
                self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

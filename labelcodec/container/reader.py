"""Random access to a finished container: one positioned read a record, checksum verified."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from threading import Lock
from typing import Any, Self

from labelcodec.container import batch_prefix, layout
from labelcodec.container.index import Index, Section
from labelcodec.container.opening import Opened, open_container
from labelcodec.container.record import read_record
from labelcodec.errors import CorruptError


class RecordReader:
    """A finished container, read by batch.

    Several threads may use one reader at once, and so may forked processes: it reads by offset
    and has no file position. Pickled, it is a path, a size and a modification time, and opens
    the file again on first use.

    Args:
        path: the container.

    Raises:
        FormatError: the file is not a container or breaks a rule of the format.
        VersionError: written by a newer major version.
        CorruptError: truncated or damaged; `labelcodec repair` keeps what is intact.
        UnsupportedError: it holds a critical section that this library does not know.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._start(None)
        self._file()

    def _start(self, identity: tuple[int, int] | None) -> None:
        self._identity = identity
        self._opened: Opened | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._closed = False
        self._lock = Lock()

    def _file(self) -> Opened:
        with self._lock:
            if self._closed:
                raise ValueError(f"{self.path}: the reader is closed")
            if self._opened is None:
                opened = open_container(self.path, self._identity)
                self._opened = opened
                self._finalizer = weakref.finalize(self, os.close, opened.fd)
            return self._opened

    def __getstate__(self) -> dict[str, Any]:
        file = self._file()
        return {"path": self.path.absolute(), "identity": (file.size, file.mtime_ns)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._start(state["identity"])

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self._file().size

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version of the file."""
        return self._file().version

    @property
    def header(self) -> dict[str, Any]:
        """The header map as stored."""
        return self._file().header

    @property
    def index(self) -> Index:
        """Where every record lies and which batch it is."""
        return self._file().index

    @property
    def sides(self) -> int:
        """Number of side information records."""
        return len(self._file().sides)

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.index)

    def batch(self, position: int) -> tuple[int, memoryview]:
        """Side number and codec bytes of the batch at `position` (0..n-1) in file order.

        One read of exactly the record's size.

        Raises:
            CorruptError: the record is damaged or is not what the index says.
            IndexError: there is no such position.
        """
        file = self._file()
        index = file.index
        if not 0 <= position < len(index):
            raise IndexError(f"{self.path}: batch position {position} of {len(index)}")
        offset, size = int(index.offset[position]), int(index.size[position])
        payload = read_record(file.fd, offset, size, layout.BATCH, self.path)
        key = int(index.samples[position]), int(index.number[position]), int(index.epoch[position])
        try:
            side, codec_bytes = batch_prefix.split(payload, key)
            if side >= len(file.sides):
                raise ValueError(
                    f"the batch needs side information {side}, the file has {len(file.sides)} "
                    "of them"
                )
        except ValueError as error:
            raise CorruptError(f"{self.path}: byte {offset}: {error}") from None
        return side, codec_bytes

    def side(self, number: int) -> bytes:
        """Side information `number`.

        Raises:
            CorruptError: the record is damaged.
            IndexError: there is no such number.
        """
        sides = self._file().sides
        if not 0 <= number < len(sides):
            raise IndexError(f"{self.path}: side information {number} of {len(sides)}")
        payload = self.section(sides[number])
        (found,) = layout.SIDE.unpack_from(payload)
        if found != number:
            raise CorruptError(
                f"{self.path}: byte {sides[number].offset}: found side information {found}, "
                f"expected {number}; run `labelcodec repair {self.path}`"
            )
        return payload[layout.SIDE.size :]

    def names(self) -> bytes | None:
        """Payload of the image names section, or None when there is none."""
        found = self.index.of(layout.NAMES)
        return self.section(found[0]) if found else None

    def section(self, section: Section) -> bytes:
        """Whole payload of one of `index.sections`, also one that this library does not know."""
        fd = self._file().fd
        return bytes(read_record(fd, section.offset, section.size, section.tag, self.path))

    def verify(self) -> None:
        """Reads every record; nothing in the file may be other than it was written.

        Raises:
            CorruptError: naming the first damaged record.
        """
        for number in range(self.sides):
            self.side(number)
        for section in self.index.sections:
            self.section(section)
        for position in range(len(self)):
            self.batch(position)

    def close(self) -> None:
        """Close the file; the reader cannot be used any more."""
        with self._lock:
            self._closed = True
            self._opened = None
            if self._finalizer is not None:
                self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

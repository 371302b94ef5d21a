"""Random access to the batches of a container that was not finished."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple, Self

from labelcodec.container import batch_prefix, layout
from labelcodec.container.record import open_file, read_record
from labelcodec.container.record_scan import scan_open


class StoredBatch(NamedTuple):
    """A batch as it is stored.

    Attributes:
        payload: its codec bytes.
        samples: B.
        number: number of the batch.
        epoch: its epoch, from 0.
    """

    payload: memoryview
    samples: int
    number: int
    epoch: int


class PartialReader:
    """Reads the intact records of a container or of its partial file, which it finds by a scan.

    Args:
        path: the file; it is not modified.

    Attributes:
        header: the header map.
        numbers: numbers of the intact batches.

    Raises:
        FormatError: the file is not a container.
        CorruptError: its header is lost.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = open_file(path)
        try:
            intact = scan_open(self._fd, path, resynchronise=False)
        except BaseException:
            self.close()
            raise
        self.header: dict[str, Any] = intact.header
        index = intact.ledger.index()
        self._sides = index.of(layout.SIDE_INFORMATION)
        records = zip(index.offset.tolist(), index.size.tolist(), strict=True)
        self._records = dict(zip(index.number.tolist(), records, strict=True))
        self.numbers = self._records.keys()

    def side(self) -> bytes | None:
        """The first side information; None if there is none."""
        if not self._sides:
            return None
        first = self._sides[0]
        payload = read_record(self._fd, first.offset, first.size, first.tag, self.path)
        return bytes(payload[layout.SIDE.size :])

    def batch(self, number: int) -> StoredBatch:
        """The batch of this number.

        Raises:
            KeyError: the file has no such batch.
            CorruptError: its record changed since the file was scanned.
        """
        offset, size = self._records[number]
        payload = read_record(self._fd, offset, size, layout.BATCH, self.path)
        _, samples, stored_number, epoch, start = batch_prefix.decode(payload)
        return StoredBatch(payload[start:], samples, stored_number, epoch)

    def close(self) -> None:
        """Close the file; the reader cannot be used afterwards."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

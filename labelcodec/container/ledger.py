"""Running record of a file's contents, kept while it is written or scanned."""

from __future__ import annotations

from array import array

import numpy as np

from labelcodec.container import batch_prefix, layout
from labelcodec.container.index import COLUMNS, Index, Section


class Ledger:
    """The records of a file, in file order.

    Attributes:
        sections: all records except batches and the index.
        side_positions: side number of each `S` section -> its position among them.
        side: side number of each batch.
        numbers: numbers of the batches.
        end: byte offset after the last record.
    """

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.side_positions: dict[int, int] = {}
        self.side = array("H")
        self.numbers: set[int] = set()
        self.end = layout.PREAMBLE.size
        self._tags: set[bytes] = set()
        self._columns = {name: array("q") for name in COLUMNS}

    def check_section(self, tag: bytes, side_number: int | None) -> None:
        """Check that a section may be added next.

        Raises:
            ValueError: it may not; the message says why.
        """
        if len(self.sections) >= layout.MAX_SECTIONS:
            raise ValueError(f"more than {layout.MAX_SECTIONS} sections")
        if tag in (layout.HEADER, layout.NAMES) and tag in self._tags:
            raise ValueError(f"a second section {tag!r}")
        if side_number is not None and side_number in self.side_positions:
            raise ValueError(f"a second side information {side_number}")

    def check_batch(self, samples: int, number: int, epoch: int) -> None:
        """Check that a batch may be added next.

        Args:
            samples: B.
            number: number of the batch; each may occur once.
            epoch: its epoch, from 0.

        Raises:
            ValueError: it may not; the message says why.
        """
        what = batch_prefix.problem(samples, number, epoch)
        if what:
            raise ValueError(what)
        if number in self.numbers:
            raise ValueError(f"a second batch with number {number}")

    def add_section(self, section: Section, side_number: int | None = None) -> None:
        """Add the next record, a section."""
        self.sections.append(section)
        self._tags.add(section.tag)
        if side_number is not None:
            self.side_positions[side_number] = len(self.side_positions)
        self.end = section.offset + section.size

    def add_batch(
        self, offset: int, size: int, side: int, samples: int, number: int, epoch: int
    ) -> None:
        """Add the next record, a batch.

        Args:
            offset: byte offset of the record's tag.
            size: size of the record in bytes, frame included.
            side: number of its side information.
            samples: number of samples.
            number: batch number.
            epoch: epoch of the batch.
        """
        for name, value in zip(COLUMNS, (offset, size, samples, number, epoch), strict=True):
            self._columns[name].append(value)
        self.side.append(side)
        self.numbers.add(number)
        self.end = offset + size

    def index(self) -> Index:
        """The index that describes these records; a copy."""
        columns = {name: np.array(self._columns[name], np.int64) for name in COLUMNS}
        return Index(**columns, sections=tuple(self.sections))

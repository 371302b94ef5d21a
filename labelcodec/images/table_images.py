"""Images in blocks of an Arrow table; needs pyarrow."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from labelcodec.errors import MismatchError
from labelcodec.images.store import EncodedImages, file_stamp


class TableImages(EncodedImages):
    """Encoded images in the rows of files, which are read in blocks of rows.

    Args:
        files: the files.
        block_rows: of each file the number of rows of each of its blocks.
    """

    def __init__(self, files: Sequence[Path], block_rows: Sequence[Sequence[int]]) -> None:
        self._files = tuple(files)
        self._blocks = [(f, b) for f, rows in enumerate(block_rows) for b in range(len(rows))]
        self._ends = np.cumsum([0, *(n for rows in block_rows for n in rows)])
        self._first_row = np.cumsum([0, *(sum(rows) for rows in block_rows)])

    def __len__(self) -> int:
        """Number of rows."""
        return int(self._ends[-1])

    @abstractmethod
    def block(self, file: int, block: int) -> Any:
        """Arrow array of the encoded images of a block, or of structs of `bytes` and `path`.

        Raises:
            MismatchError: it is damaged.
        """

    def where(self, item: int) -> str:
        """As in `ImageStore`."""
        file = int(np.searchsorted(self._first_row, item, "right")) - 1
        return f"{self._files[file]}: row {item - int(self._first_row[file])}"

    def content(self, item: int) -> bytes:
        """As in `ImageStore`."""
        at = int(np.searchsorted(self._ends, item, "right")) - 1
        column = self.block(*self._blocks[at])
        row = item - int(self._ends[at])
        if row >= len(column):
            raise MismatchError(f"{self.where(item)}: the file has changed")
        cell = column[row]
        if isinstance(cell, pa.StructScalar) and cell.is_valid:
            cell = cell["bytes"]
        if not cell.is_valid:
            raise MismatchError(
                f"{self.where(item)}: holds no image, perhaps only the path of one; the images "
                "themselves have to be in the table"
            )
        return bytes(cell.as_buffer())

    def stamp(self, item: int) -> str:
        """As in `ImageStore`."""
        file = int(np.searchsorted(self._first_row, item, "right")) - 1
        return f"{file_stamp(self._files[file])}\0{item - int(self._first_row[file])}"

"""Rows of parquet files and `datasets` folders, read forwards a few at a time; needs pyarrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.errors import DumpError, MismatchError
from labelcodec.extras import needing_extra
from labelcodec.files.regular import check_regular
from labelcodec.images.datasets_folder import STATE, files_of_folder, read_batches
from labelcodec.images.shards import matching, split_of

with needing_extra("reading tables of labels"):
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS = 16  # that are read at once: sequences are long


@dataclass(frozen=True)
class Block:
    """Rows that are read from their first on.

    Attributes:
        file: their file.
        number: number of the row group or record batch in it.
        first: number of the first row in the whole table.
        rows: their number.
    """

    file: Path
    number: int
    first: int
    rows: int


class TableRows:
    """The rows of a table in several files.

    Rows that are asked for in ascending order are read once. A process opens the files itself.

    Args:
        root: what the user named.
        files: the files, in order; by default those that `table_files` lists.

    Raises:
        DumpError: no files, several splits, a damaged file, or files of different columns.
    """

    def __init__(self, root: Path, files: Sequence[Path] | None = None) -> None:
        self.files = table_files(root) if files is None else list(files)
        self.is_parquet = self.files[0].suffix.lower() == ".parquet"
        self.blocks: list[Block] = []
        self.schema: Any = None
        first = 0
        for file in self.files:
            schema, counts = self._counts(file)
            if self.schema is not None and schema.names != self.schema.names:
                raise DumpError(f"{file}: has other columns than {self.files[0]}")
            self.schema = schema
            for number, rows in enumerate(counts):
                self.blocks += [Block(file, number, first, rows)] if rows else []
                first += rows
        if not first:
            raise DumpError(f"{root}: has no rows")
        self.rows = first
        self._starts = np.array([block.first for block in self.blocks])
        self.rewind()

    def __getstate__(self) -> dict[str, Any]:
        kept = {**self.__dict__}
        for name in ("_open", "_iterator", "_batch", "_arrow"):
            del kept[name]
        return kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self.rewind()

    def rewind(self) -> None:
        """Close the files, before other columns are read."""
        self._open: int | None = None  # block that `_iterator` reads
        self._iterator: Iterator[Any] = iter(())
        self._batch: tuple[int, Any] = (0, None)  # first row, and the record batch
        self._arrow: tuple[Path | None, list[Any]] = (None, [])  # a mapped file

    def block_of(self, row: int) -> int:
        """Number of the block of a row."""
        return int(np.searchsorted(self._starts, row, "right")) - 1

    def where(self, row: int) -> str:
        """Names a row in messages."""
        block = self.blocks[self.block_of(row)]
        first = min(other.first for other in self.blocks if other.file == block.file)
        return f"{block.file}: row {row - first}"

    def naming(self, first: int) -> Callable[[int], str]:
        """Names rows in messages, which are counted from row `first`."""
        return lambda row: self.where(first + row)

    def read(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[tuple[int, Any]]:
        """Record batches of the rows from `start` to `stop` - 1, each with its first row.

        Args:
            start: first row.
            stop: row behind the last.
            columns: names of columns; the same in all calls since `rewind`.

        Raises:
            DumpError: a file is damaged, or has changed.
        """
        while start < stop:
            first, batch = self._holding(start, columns)
            count = min(first + batch.num_rows, stop) - start
            yield start, batch.slice(start - first, count)
            start += count

    def _holding(self, row: int, columns: Sequence[str]) -> tuple[int, Any]:
        """The record batch that holds a row, with its first row."""
        first, batch = self._batch
        if batch is not None and first <= row < first + batch.num_rows:
            return self._batch
        number = self.block_of(row)
        if self._open != number or row < first:
            self._open, self._iterator = number, self._batches(self.blocks[number], columns)
            first, batch = self.blocks[number].first, None
        while batch is None or row >= first + batch.num_rows:
            first += 0 if batch is None else batch.num_rows
            batch = next(self._iterator, None)
            if batch is None:
                self.rewind()
                raise DumpError(f"{self.blocks[number].file}: has changed since it was opened")
            self._batch = first, batch
        return self._batch

    def _batches(self, block: Block, columns: Sequence[str]) -> Iterator[Any]:
        try:
            if not self.is_parquet:
                if self._arrow[0] != block.file:
                    self._arrow = block.file, read_batches(block.file)
                yield self._arrow[1][block.number].select(list(columns))
                return
            with pq.ParquetFile(block.file, pre_buffer=False) as table:
                # without threads, which a forked worker does not have
                yield from table.iter_batches(
                    ROWS, row_groups=[block.number], columns=list(columns), use_threads=False
                )
        except (MismatchError, pa.ArrowException, OSError, ValueError, LookupError) as error:
            raise _damaged(block.file, error) from None

    def _counts(self, file: Path) -> tuple[Any, list[int]]:
        """Schema of a file, and the rows of each of its blocks."""
        try:
            if not self.is_parquet:
                batches = read_batches(file)
                if not batches:
                    raise DumpError(f"{file}: has no rows")
                return batches[0].schema, [batch.num_rows for batch in batches]
            check_regular(file, DumpError, "a parquet file")
            with pq.ParquetFile(file, pre_buffer=False) as table:
                groups = (table.metadata.row_group(i) for i in range(table.num_row_groups))
                return table.schema_arrow, [group.num_rows for group in groups]
        except FileNotFoundError:
            raise DumpError(f"{file}: is missing") from None
        except (MismatchError, pa.ArrowException, OSError, ValueError) as error:
            raise _damaged(file, error) from None


def table_files(root: Path) -> list[Path]:
    """The files of a table: a parquet file or folder of them, or a `datasets` folder.

    Raises:
        DumpError: there are none, or of several splits.
    """
    try:
        if (root / STATE).is_file():
            return files_of_folder(root)
        files = matching(root, ".parquet")
    except MismatchError as error:
        raise DumpError(str(error)) from None
    splits = sorted({split_of(file) for file in files})
    if not files:
        raise DumpError(f"{root}: holds no parquet files")
    if len(splits) > 1:
        raise DumpError(
            f"{root}: has the splits {', '.join(splits)}; copy or link the files of one of them to "
            "a folder of their own"
        )
    return files


def _damaged(file: Path, error: BaseException) -> DumpError:
    if isinstance(error, MismatchError):
        return DumpError(str(error))
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return DumpError(f"{file}: truncated or damaged ({first})")

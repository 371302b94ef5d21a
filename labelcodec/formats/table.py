"""Tables of token-level labels: parquet files, and folders of Hugging Face's `datasets`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch, Precision, Tail
from labelcodec.errors import DumpError
from labelcodec.formats.distillkit_config import CONFIG
from labelcodec.formats.interface import DumpInfo, Layout, OpenOptions
from labelcodec.formats.token_dump import TokenDump, classes_given, token_info, unused_of_tokens
from labelcodec.formats.token_families import TokenColumns, find_token_columns
from labelcodec.formats.token_labels import (
    LabelKind,
    Positions,
    concatenate,
    short_precisions,
    space_of,
)
from labelcodec.formats.token_plan import TokenPlan, plan_batches

if TYPE_CHECKING:
    from labelcodec.formats.table_rows import TableRows


class Table(Layout):
    """The layout; methods as in `interface.Layout`."""

    name = "parquet"
    looks_like = "*.parquet or a folder of `datasets` (parquet)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Whether there are parquet files, or the files that `Dataset.save_to_disk` writes."""
        if CONFIG in names:
            return False  # DistillKit's
        if {"state.json", "dataset_info.json"} <= names.keys():
            return True
        files = names if not names.get("data") else [*names, *map(str, (root / "data").iterdir())]
        return any(name.endswith(".parquet") for name in files)

    def label_files(self, root: Path) -> list[Path]:
        """The files of the table."""
        from labelcodec.formats.table_rows import table_files

        return table_files(root)

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """Options for images."""
        return unused_of_tokens(options)

    def open(self, root: Path, options: OpenOptions) -> TokenDump:
        """Open a table."""
        return open_table(root, options)

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> int:
        """As `Layout.write`: a parquet file with a row for each sequence."""
        from labelcodec.formats.table_writer import write_table

        return write_table(batches, root, types)


class TableSource:
    """Columns in a table with a row per sequence; methods as in `token_dump.TokenSource`.

    Args:
        table: its rows.
        names: the columns to read.
        parse: gives the positions of a record batch, its rows one after another; by `where` it is
            passed what names a row, counted in the batch, and a position of it in messages.
        end: (S,) position behind the last of each row.
    """

    def __init__(
        self,
        table: TableRows,
        names: Sequence[str],
        parse: Callable[..., Positions],
        end: NDArray[np.int64],
    ) -> None:
        self._table, self._names, self._parse, self._end = table, names, parse, end
        self._recent: tuple[int, NDArray[Any] | None] = (0, None)  # tokens of the last rows read

    def file(self, position: int) -> Path:
        """As `TokenSource.file`."""
        return self._table.blocks[self._table.block_of(self._row(position))].file

    def positions(self, start: int, stop: int) -> Positions:
        """As `TokenSource.positions`."""
        first, last = self._row(start), self._row(stop - 1)
        parts = [
            self._parse(batch, where=partial(_where, self._table, of))
            for of, batch in self._table.read(first, last + 1, self._names)
        ]
        whole = concatenate(parts)
        begin = self._begin(first)
        self._recent = begin, whole.tokens
        return whole.rows(slice(start - begin, stop - begin))

    def text(self, number: int, start: int, stop: int) -> NDArray[Any] | None:
        """As `TokenSource.text`."""
        begin, tokens = self._recent
        if tokens is None or start < begin or stop > begin + len(tokens):
            self.positions(start, stop)
            begin, tokens = self._recent
        return None if tokens is None else tokens[start - begin : stop - begin]

    def where(self, number: int, position: int) -> str:
        """As `TokenSource.where`."""
        return _where(self._table, 0, number, position)

    def _row(self, position: int) -> int:
        return int(np.searchsorted(self._end, position, "right"))

    def _begin(self, row: int) -> int:
        return int(self._end[row - 1]) if row else 0


def _where(table: TableRows, first: int, row: int, position: int) -> str:
    """Names a position of a row, counted from a first one."""
    return f"{table.where(first + row)}, position {position}"


def open_table(root: Path, options: OpenOptions) -> TokenDump:
    """Open a table.

    Args:
        root: a parquet file, a folder of them, or a `datasets` folder.
        options: what the files do not say.

    Raises:
        DumpError: no files, a damaged one, or columns of labels that are not known.
        ConfigError: the number of classes is not known, or a column is not there.
    """
    from labelcodec.formats.table_cells import positions_of
    from labelcodec.formats.table_rows import TableRows

    table = TableRows(root)
    columns = find_token_columns(table.schema.names, options.columns, str(table.files[0]))
    classes = classes_given(options.classes, root)
    lengths, k, precision = _scanned(table, columns)
    if k > classes:
        raise DumpError(f"{root}: holds k={k} classes of a vocabulary of {classes}")
    _, batch = next(table.read(0, 1, columns.names()))
    first = positions_of(batch, columns, k, partial(_where, table, 0))
    space = space_of(first.value, options.label_type, False, str(root))
    tail: Tail = "zero"
    if columns.tail is not None:
        tail = "floor" if space == "logits" else "uniform"
    kind = LabelKind(classes, k, space, tail, precision)
    plan = plan_batches(lengths, classes, k)
    parse = partial(positions_of, columns=columns, k=k)
    source = TableSource(table, columns.names(), parse, plan.end)
    return TokenDump(_info(kind, plan, table, columns, first, options), kind, plan, source)


def _scanned(table: TableRows, columns: TokenColumns) -> tuple[NDArray[np.int64], int, Precision]:
    """(S,) positions of each row, k, and the shortest precision that holds all values."""
    from labelcodec.formats.table_cells import row_lengths, values_of, widest

    lengths, k, possible = [], 1, set[Precision](("bfloat16", "float16"))
    table.rewind()
    for first, batch in table.read(0, table.rows, [columns.value]):
        lengths.append(row_lengths(batch, columns.value, table.naming(first)))
        k = max(k, widest(batch, columns.value, partial(_where, table, first)))
        if possible:
            possible &= short_precisions(values_of(batch, columns.value, table.where(first)))
    table.rewind()
    # bfloat16 first: its values have the fewest bits
    precision: Precision = next(iter(sorted(possible)), "float32")
    return np.concatenate(lengths), k, precision


def _info(
    kind: LabelKind,
    plan: TokenPlan,
    table: TableRows,
    columns: TokenColumns,
    first: Positions,
    options: OpenOptions,
) -> DumpInfo:
    names = ("value", "index", "tokens", "mask", "tail")
    arrays = {name: getattr(first, name) for name in names}
    others = [name for name in table.schema.names if name not in columns.names()]
    notes = [f"columns read: {', '.join(columns.names())}"]
    if others:
        notes.append(f"columns that are not kept: {', '.join(others)}")
    return token_info(
        "parquet",
        kind,
        plan,
        table.files,
        columns.shift if options.shift is None else options.shift,
        has_digests=columns.tokens is not None,
        types={"columns": {n: a.dtype.name for n, a in arrays.items() if a is not None}},
        notes=notes,
    )

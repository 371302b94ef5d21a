"""Cells of tables of token-level labels as arrays; needs pyarrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import DumpError
from labelcodec.extras import needing_extra
from labelcodec.formats.token_families import TokenColumns
from labelcodec.formats.token_labels import Positions
from labelcodec.wording import counted

with needing_extra("reading tables of labels"):
    import pyarrow as pa
    import pyarrow.compute as pc

TOKEN, LOGPROB, PREFIX = "token", "logprob", "token_id:"  # of axolotl's first version
_ID = rf"^{PREFIX}[0-9]{{1,9}}$"
Where = Callable[[int, int], str]  # names a row, counted in the batch, and a position in it


def row_lengths(batch: Any, name: str, where: Callable[[int], str]) -> NDArray[np.int64]:
    """(R,) positions of each row of a record batch, by the lists of a column.

    Args:
        batch: the record batch.
        name: the column.
        where: names a row of the batch.

    Raises:
        DumpError: the column holds no lists, or a row none or an empty one.
    """
    column = _lists(batch, name, where(0))
    lengths = pc.list_value_length(column).cast(pa.int64()).fill_null(0).to_numpy(False)
    if len(lengths) and lengths.min() < 1:
        raise DumpError(f"{where(int(lengths.argmin()))}: has no positions in {name}")
    return np.asarray(lengths, np.int64)


def positions_of(batch: Any, columns: TokenColumns, k: int, where: Where) -> Positions:
    """The columns of a record batch, its rows one after another.

    Args:
        batch: the record batch.
        columns: names of its columns.
        k: number of kept classes of every position.
        where: names a row and a position.

    Raises:
        DumpError: a column of another type, rows of which columns have different lengths, positions
            that do not hold k classes, or cells without a value.
    """
    cells = _Cells(batch, row_lengths(batch, columns.value, lambda row: where(row, 0)), where)
    value = cells.nested(columns.value, k)
    if columns.index is None:
        index, value = _split(value, columns.value, cells)
    else:
        index = cells.numbers(cells.nested(columns.index, k), columns.index, "integers")
    beside = {
        name: None if column is None else cells.numbers(cells.flat(column), column, kind)
        for name, column, kind in (
            ("tokens", columns.tokens, "integers"),
            ("mask", columns.mask, "integers or bool"),
            ("tail", columns.tail, "floats"),
        )
    }
    values = cells.numbers(value, columns.value, "floats")
    return Positions(values.reshape(-1, k), index.reshape(-1, k), **beside)


def first_k(batch: Any, columns: TokenColumns, where: Where) -> int:
    """Number of classes that the first position of a record batch holds.

    Raises:
        DumpError: none, or the column does not hold lists of lists.
    """
    cells = _Cells(batch, row_lengths(batch, columns.value, lambda row: where(row, 0)), where)
    return cells.width(columns.value)


def values_of(batch: Any, name: str, where: str) -> NDArray[Any]:
    """All values of a record batch, one after another; NaN where there is none.

    Args:
        batch: the record batch.
        name: the column.
        where: names its first row in messages.

    Raises:
        DumpError: the column does not hold lists of lists of floats.
    """
    cells = _lists(batch, name, where).flatten()
    cells = cells.flatten() if _is_list(cells.type) else cells
    if pa.types.is_struct(cells.type) and cells.type.get_field_index(LOGPROB) >= 0:
        cells = pc.struct_field(cells, LOGPROB)
    if not pa.types.is_floating(cells.type):
        raise DumpError(f"{where}: {name} holds {cells.type}, expected floats")
    return np.asarray(cells.to_numpy(zero_copy_only=False))


class _Cells:
    """The lists of a record batch, one after another."""

    def __init__(self, batch: Any, lengths: NDArray[np.int64], where: Where) -> None:
        self.batch, self.lengths, self._where = batch, lengths, where
        self._end = np.cumsum(lengths)

    def fail(self, position: int, what: str) -> None:
        """Raise an error on a position, counted in the batch."""
        row = int(np.searchsorted(self._end, position, "right"))
        raise DumpError(
            f"{self._where(row, position - int(self._end[row] - self.lengths[row]))}: {what}"
        )

    def flat(self, name: str) -> Any:
        """Arrow array of the cells of a column of lists, which have the lengths of the values'."""
        column = _lists(self.batch, name, self._where(0, 0))
        lengths = pc.list_value_length(column).cast(pa.int64()).fill_null(0).to_numpy(False)
        if (lengths != self.lengths).any():
            row = int((lengths != self.lengths).argmax())
            self.fail(
                int(self._end[row] - self.lengths[row]),
                f"the row has labels of {counted(int(self.lengths[row]), 'position')}, and "
                f"{lengths[row]} cells in {name}",
            )
        return column.flatten()

    def nested(self, name: str, k: int) -> Any:
        """Arrow array of the cells of a column of lists of k."""
        lists = self._inner(name)
        widths = pc.list_value_length(lists).fill_null(0).to_numpy(False)
        if (widths != k).any():
            position = int((widths != k).argmax())
            self.fail(
                position,
                f"{name} holds {counted(int(widths[position]), 'class')}, the first position {k}; "
                "labels of varying k are not stored",
            )
        return lists.flatten()

    def width(self, name: str) -> int:
        """Length of the first inner list of a column."""
        width = int(pc.list_value_length(self._inner(name)).fill_null(0).to_numpy(False)[0])
        if not width:
            self.fail(0, f"{name} holds no classes")
        return width

    def numbers(self, cells: Any, name: str, kind: str) -> NDArray[Any]:
        """The numbers of cells, of which none is missing."""
        is_kind = {
            "integers": pa.types.is_integer,
            "floats": pa.types.is_floating,
            "integers or bool": lambda t: pa.types.is_integer(t) or pa.types.is_boolean(t),
        }[kind]
        if not is_kind(cells.type):
            raise DumpError(f"{self._where(0, 0)}: {name} holds {cells.type}, expected {kind}")
        if cells.null_count:
            missing = int(cells.is_null().to_numpy(False).argmax())
            self.fail(missing // (len(cells) // int(self._end[-1])), f"{name} lacks a value")
        return np.asarray(cells.to_numpy(zero_copy_only=False))

    def _inner(self, name: str) -> Any:
        cells = self.flat(name)
        if not _is_list(cells.type):
            raise DumpError(
                f"{self._where(0, 0)}: {name} holds lists of {cells.type}, expected a list for "
                "each position"
            )
        return cells


def _split(cells: Any, name: str, of: _Cells) -> tuple[NDArray[np.int64], Any]:
    """Classes and values of {"token": "token_id:N", "logprob": x}."""
    kind = cells.type
    fields = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
    if not pa.types.is_struct(kind) or not {TOKEN, LOGPROB} <= fields.keys():
        raise DumpError(
            f"{of._where(0, 0)}: {name} holds {kind}, and no column of classes is known; pass "
            "`columns=index=COLUMN`"
        )
    tokens = pc.struct_field(cells, TOKEN)
    matched = pc.match_substring_regex(tokens.cast(pa.string()), _ID).fill_null(False)
    matched = matched.to_numpy(zero_copy_only=False)
    if not matched.all():
        bad = int((~matched).argmax())
        of.fail(
            bad // (len(cells) // int(of._end[-1])),
            f"{name} names the token {str(tokens[bad].as_py())[:40]!r}, expected "
            f"'{PREFIX}' and its number",
        )
    numbers = pc.utf8_slice_codeunits(tokens.cast(pa.string()), len(PREFIX)).cast(pa.int64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False)), pc.struct_field(cells, LOGPROB)


def _lists(batch: Any, name: str, where: str) -> Any:
    column = batch.column(name)
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if not _is_list(column.type):
        raise DumpError(f"{where}: {name} holds {column.type}, expected a list for each row")
    return column


def _is_list(kind: Any) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )

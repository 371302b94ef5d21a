"""Cells of tables of token-level labels as arrays; needs pyarrow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
        k: most classes that a position keeps.
        where: names a row and a position.

    Raises:
        DumpError: a column of another type, rows of which columns have different lengths, positions
            without classes or with more than k, or cells without a value.
    """
    cells = _Cells(batch, row_lengths(batch, columns.value, lambda row: where(row, 0)), where)
    value = cells.nested(columns.value)
    count = value.widths
    if count.max() > k:
        cells.fail(int(count.argmax()), f"{columns.value} holds more than {counted(k, 'class')}")
    if columns.index is None:
        index, logprobs = _split(value, columns.value, cells)
    else:
        of_index = cells.nested(columns.index)
        if (of_index.widths != count).any():
            bad = int((of_index.widths != count).argmax())
            cells.fail(
                bad,
                f"{columns.index} holds {counted(int(of_index.widths[bad]), 'class')}, "
                f"{columns.value} {count[bad]}",
            )
        index, logprobs = cells.numbers(of_index, columns.index, "integers"), value
    beside = {
        name: None if column is None else cells.numbers(cells.flat(column), column, kind)
        for name, column, kind in (
            ("tokens", columns.tokens, "integers"),
            ("mask", columns.mask, "integers or bool"),
            ("tail", columns.tail, "floats"),
        )
    }
    values = cells.numbers(logprobs, columns.value, "floats")
    if (count == k).all():
        return Positions(values.reshape(-1, k), index.reshape(-1, k), **beside)
    return Positions(_rows(values, count, k), _rows(index, count, k), **beside, count=count)


def widest(batch: Any, name: str, where: Where) -> int:
    """Most classes that a position of a record batch holds.

    Args:
        batch: the record batch.
        name: the column.
        where: names a row and a position.

    Raises:
        DumpError: the column does not hold lists of lists, or a position no classes.
    """
    cells = _Cells(batch, row_lengths(batch, name, lambda row: where(row, 0)), where)
    return int(cells.nested(name).widths.max())


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


@dataclass(frozen=True, eq=False)
class _Column:
    """The cells of a column, those of a position one after another.

    Attributes:
        cells: Arrow array of the cells.
        widths: (n,) number of cells of each position.
    """

    cells: Any
    widths: NDArray[np.int64]

    def position(self, cell: int) -> int:
        """The position that a cell is of."""
        return int(np.searchsorted(np.cumsum(self.widths), cell, "right"))


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

    def flat(self, name: str) -> _Column:
        """The cells of a column of lists, which have the lengths of the values'."""
        column = _lists(self.batch, name, self._where(0, 0))
        lengths = pc.list_value_length(column).cast(pa.int64()).fill_null(0).to_numpy(False)
        if (lengths != self.lengths).any():
            row = int((lengths != self.lengths).argmax())
            self.fail(
                int(self._end[row] - self.lengths[row]),
                f"the row has labels of {counted(int(self.lengths[row]), 'position')}, and "
                f"{lengths[row]} cells in {name}",
            )
        return _Column(column.flatten(), np.ones(int(self._end[-1]), np.int64))

    def nested(self, name: str) -> _Column:
        """The cells of a column of lists of lists, of which none is empty."""
        lists = self.flat(name).cells
        if not _is_list(lists.type):
            raise DumpError(
                f"{self._where(0, 0)}: {name} holds lists of {lists.type}, expected a list for "
                "each position"
            )
        widths = pc.list_value_length(lists).cast(pa.int64()).fill_null(0).to_numpy(False)
        if not widths.all():
            self.fail(int(widths.argmin()), f"{name} holds no classes")
        return _Column(lists.flatten(), np.asarray(widths, np.int64))

    def numbers(self, column: _Column, name: str, kind: str) -> NDArray[Any]:
        """The numbers of cells, of which none is missing."""
        is_kind = {
            "integers": pa.types.is_integer,
            "floats": pa.types.is_floating,
            "integers or bool": lambda t: pa.types.is_integer(t) or pa.types.is_boolean(t),
        }[kind]
        cells = column.cells
        if not is_kind(cells.type):
            raise DumpError(f"{self._where(0, 0)}: {name} holds {cells.type}, expected {kind}")
        if cells.null_count:
            missing = int(cells.is_null().to_numpy(False).argmax())
            self.fail(column.position(missing), f"{name} lacks a value")
        return np.asarray(cells.to_numpy(zero_copy_only=False))


def _split(column: _Column, name: str, of: _Cells) -> tuple[NDArray[np.int64], _Column]:
    """Classes and values of {"token": "token_id:N", "logprob": x}."""
    cells = column.cells
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
            column.position(bad),
            f"{name} names the token {str(tokens[bad].as_py())[:40]!r}, expected "
            f"'{PREFIX}' and its number",
        )
    numbers = pc.utf8_slice_codeunits(tokens.cast(pa.string()), len(PREFIX)).cast(pa.int64())
    logprobs = _Column(pc.struct_field(cells, LOGPROB), column.widths)
    return np.asarray(numbers.to_numpy(zero_copy_only=False)), logprobs


def _rows(flat: NDArray[Any], count: NDArray[np.int64], k: int) -> NDArray[Any]:
    """(n, k) rows of `count` numbers each, 0 behind them."""
    rows = np.zeros((len(count), k), flat.dtype)
    rows[np.arange(k) < count[:, None]] = flat
    return rows


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

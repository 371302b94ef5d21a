"""Cells of DistillKit's tables as arrays; needs pyarrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import DumpError
from labelcodec.extras import needing_extra
from labelcodec.formats.distillkit_config import CONFIG, Curve, Legacy
from labelcodec.formats.distillkit_values import (
    classes_of_bytes,
    classes_of_words,
    index_bytes,
    values_of_curve,
    values_of_legacy,
    words_of_legacy,
)
from labelcodec.formats.table_cells import row_lengths
from labelcodec.formats.token_labels import Positions
from labelcodec.wording import counted

with needing_extra("reading tables of labels"):
    import pyarrow as pa
    import pyarrow.compute as pc

TOKENS, MASK = "input_ids", "attention_mask"
VALUES, CLASSES = "compressed_logprobs", "bytepacked_indices"
OLD_CLASSES, OLD_VALUES, OLD_TERMS = "packed_indices", "exact_values", "coeffs"
Where = Callable[[int, int], str]  # names a row, counted in the batch, and a position in it


def columns_of(config: Curve | Legacy, names: Sequence[str], where: str) -> list[str]:
    """The columns to read; the first has a cell for each position.

    Args:
        config: the settings.
        names: of all columns.
        where: the table, for messages.

    Raises:
        DumpError: a column is missing.
    """
    labels = [VALUES, CLASSES]
    if isinstance(config, Legacy):
        labels = [OLD_CLASSES, OLD_VALUES, OLD_TERMS]
    missing = next((name for name in [*labels, TOKENS] if name not in names), None)
    if missing is not None:
        raise DumpError(
            f"{where}: has no column {missing}, which labels with this {CONFIG} have; it has "
            f"{', '.join(names)}"
        )
    return [*labels, TOKENS, *([MASK] if MASK in names else [])]


def positions_of(batch: Any, *, config: Curve | Legacy, where: Where) -> Positions:
    """The positions of a record batch, its rows one after another.

    Args:
        batch: the record batch.
        config: how they are compressed.
        where: names a row and a position.

    Raises:
        DumpError: cells of another type or size than the settings say, or without a value.
    """
    first = OLD_CLASSES if isinstance(config, Legacy) else VALUES
    lengths = row_lengths(batch, first, lambda row: where(row, 0))
    cells = _Cells(batch, lengths, where)
    if isinstance(config, Legacy):
        exact = cells.fixed(OLD_VALUES, config.exact_k, "floats")
        terms = cells.fixed(OLD_TERMS, config.coefficients, "floats")
        words = cells.fixed(OLD_CLASSES, words_of_legacy(config), "integers").astype(np.uint64)
        index = classes_of_words(words, config.k, config.classes)
        value = values_of_legacy(exact, terms, config)
    else:
        value = values_of_curve(cells.packed(VALUES, config.bytes), config)
        index = classes_of_bytes(
            cells.packed(CLASSES, index_bytes(config)), config.k, config.classes
        )
    mask = None
    if MASK in batch.schema.names:  # in packed rows the number of the text
        mask = cells.beside(MASK) > 0
    return Positions(value, index, cells.beside(TOKENS), mask, count=kept_of(value))


def kept_of(value: NDArray[Any]) -> NDArray[np.int64] | None:
    """(n,) number of kept classes, behind which the values are -inf; None if all are kept."""
    is_none = (value == -np.inf)[:, ::-1]
    none: NDArray[np.int64] = np.where(is_none.all(axis=1), value.shape[1], is_none.argmin(axis=1))
    return value.shape[1] - none if none.any() else None


def text_of(batch: Any, where: Callable[[int], str]) -> NDArray[Any]:
    """All token ids of a record batch of a single row.

    Raises:
        DumpError: they are no integers, or lack a value.
    """
    return _numbers(batch.column(TOKENS).flatten(), TOKENS, "integers", where)


class _Cells:
    """The lists of a record batch, whose rows have known lengths."""

    def __init__(self, batch: Any, lengths: NDArray[np.int64], where: Where) -> None:
        self.batch, self.lengths, self.where = batch, lengths, where
        self.end = np.cumsum(lengths)

    def fixed(self, name: str, width: int, kind: str) -> NDArray[Any]:
        """(n, width) numbers of a column of lists of lists of this width."""
        column = _list(self.batch.column(name), name, self.where(0, 0))
        rows = row_lengths(self.batch, name, lambda row: self.where(row, 0))
        if (rows != self.lengths).any():
            row = int((rows != self.lengths).argmax())
            raise DumpError(
                f"{self.where(row, 0)}: {name} has {counted(int(rows[row]), 'position')}, expected "
                f"{self.lengths[row]}"
            )
        inner = _list(column.flatten(), name, self.where(0, 0))
        widths = pc.list_value_length(inner).fill_null(0).to_numpy(False)
        if (widths != width).any():
            position = int((widths != width).argmax())
            self.fail(
                position,
                f"{name} has {widths[position]} cells, expected {width}: is the {CONFIG} of other "
                "labels?",
            )
        if not width:
            return np.zeros((int(self.end[-1]), 0), np.float32)
        numbers = _numbers(inner.flatten(), name, kind, lambda cell: self.name_of(cell // width))
        return np.asarray(numbers.reshape(-1, width))

    def packed(self, name: str, width: int) -> NDArray[np.uint8]:
        """(n, width) bytes of such a column."""
        numbers = self.fixed(name, width, "integers")
        if numbers.dtype != np.uint8:
            outside = ((numbers < 0) | (numbers > 255)).any(axis=1)
            if outside.any():
                self.fail(int(outside.argmax()), f"{name} holds numbers that are no bytes")
        return numbers.astype(np.uint8, copy=False)

    def beside(self, name: str) -> NDArray[Any]:
        """(n,) integers of a column whose rows may go on behind the last label."""
        column = _list(self.batch.column(name), name, self.where(0, 0))
        sizes = pc.list_value_length(column).cast(pa.int64()).fill_null(0).to_numpy(False)
        short = (sizes < self.lengths) | (sizes > self.lengths + 1)
        if short.any():
            row = int(short.argmax())
            raise DumpError(
                f"{self.where(row, 0)}: the row has labels of "
                f"{counted(int(self.lengths[row]), 'position')}, and {sizes[row]} cells in {name}"
            )
        every = _numbers(column.flatten(), name, "integers", lambda _: self.where(0, 0))
        begin = np.repeat(np.cumsum(sizes) - sizes - (self.end - self.lengths), self.lengths)
        kept: NDArray[Any] = every[np.arange(len(begin)) + begin]
        return kept

    def name_of(self, position: int) -> str:
        """Names a position, counted in the batch."""
        row = int(np.searchsorted(self.end, position, "right"))
        return self.where(row, position - int(self.end[row] - self.lengths[row]))

    def fail(self, position: int, what: str) -> NoReturn:
        """Raise an error on a position."""
        raise DumpError(f"{self.name_of(position)}: {what}")


def _list(column: Any, name: str, where: str) -> Any:
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return column
    raise DumpError(f"{where}: {name} holds {kind}, expected lists")


def _numbers(cells: Any, name: str, kind: str, where: Callable[[int], str]) -> NDArray[Any]:
    is_kind = pa.types.is_floating if kind == "floats" else pa.types.is_integer
    if not is_kind(cells.type):
        raise DumpError(f"{where(0)}: {name} holds {cells.type}, expected {kind}")
    if cells.null_count:
        missing = int(cells.is_null().to_numpy(False).argmax())
        raise DumpError(f"{where(missing)}: {name} lacks a value")
    return np.asarray(cells.to_numpy(zero_copy_only=False))

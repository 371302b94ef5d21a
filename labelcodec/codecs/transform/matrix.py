"""Tables of small signed integers, entropy-coded column by column (SPEC, clause X-3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs import columns
from labelcodec.codecs.transform.plain.symbols import unzigzag
from labelcodec.entropy import coding, tables, varint
from labelcodec.errors import CorruptError

MAX_ENTRIES = 1 << 24
MAX_LEVEL = 1 << 15  # of an entry
COLUMN_CLASSES = 32


def dump(matrix: NDArray[np.int16]) -> bytes:
    """Class of each column, tables by class, then the zigzag entries column by column."""
    level = np.rint(2 * np.log2(1 + 8 * np.abs(matrix.astype(float)).mean(axis=0)))
    column = np.minimum(level, COLUMN_CLASSES - 1).astype(np.int64)
    contexts = np.repeat(column, len(matrix))
    entries = matrix.T.astype(np.int64)
    symbols = coding.tokenise((entries << 1) ^ (entries >> 63), contexts)
    table = coding.fit_tables([symbols], COLUMN_CLASSES)
    stored = tables.dump(table)
    coded = coding.encode_symbols(symbols, table)
    return columns.pack_ints(column) + varint.encode(len(stored)) + stored + coded


def load(data: memoryview, rows: int, width: int, what: str) -> NDArray[np.int16]:
    """The (rows, width) matrix of `dump`; `what` names its entries in errors.

    Raises:
        CorruptError: the data is malformed or holds another number of entries.
    """
    column, rest = columns.unpack_ints(data, width)
    length, position = varint.decode(rest, 0)
    table = tables.load(bytes(rest[position : position + length]))
    if (column < 0).any() or (column >= len(table.freqs)).any():
        raise CorruptError(f"a column of unknown class in the {what}")
    coded = coding.SymbolReader(rest[position + length :], rows * width, what)
    matrix = np.empty((width, rows), np.int16)
    for j, context in enumerate(column.tolist()):
        entries = coded.take(np.full(rows, context), table)
        if (entries >= 2 * MAX_LEVEL).any():
            raise CorruptError(f"one of the {what} is out of range")
        matrix[j] = unzigzag(entries)
    coded.finish()
    return np.ascontiguousarray(matrix.T)

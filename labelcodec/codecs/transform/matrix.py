"""Matrices of small signed integers, entropy-coded column by column (SPEC, clause X-3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.contexts import unzigzag
from labelcodec.codecs.transform.format import MATRIX_COLUMN_CLASSES, MAX_LEVEL
from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.errors import CorruptError


def to_bytes(matrix: NDArray[np.int16]) -> bytes:
    """Serialize a matrix: class of each column, frequency tables per class, coded entries.

    Args:
        matrix: (rows, width) int16 entries.
    """
    level = np.rint(2 * np.log2(1 + 8 * np.abs(matrix.astype(float)).mean(axis=0)))
    column = np.minimum(level, MATRIX_COLUMN_CLASSES - 1).astype(np.int64)
    contexts = np.repeat(column, len(matrix))
    entries = matrix.T.astype(np.int64)
    values = ((entries << 1) ^ (entries >> 63)).ravel()
    table = coding.fit_tables([coding.tokenise(values, contexts)], MATRIX_COLUMN_CLASSES)
    coded = coding.encode_values(values, contexts, table)
    return packing.pack_ints(column) + varint.framed(tables.to_bytes(table)) + coded


def from_bytes(data: memoryview, rows: int, width: int, what: str) -> NDArray[np.int16]:
    """Deserialize a matrix that `to_bytes` wrote.

    Args:
        data: the bytes, to their end.
        rows: number of rows.
        width: number of columns.
        what: name of the entries in error messages.

    Returns:
        (rows, width) int16 matrix.

    Raises:
        CorruptError: the data is malformed or holds another number of entries.
    """
    column, rest = packing.unpack_ints(data, width)
    length, position = varint.decode(rest, 0)
    table = tables.from_bytes(bytes(rest[position : position + length]))
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

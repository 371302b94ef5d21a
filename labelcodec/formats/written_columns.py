"""Columns of token-level labels as another project's files get them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.tail_mass import left_out_mass

_DTYPES = {
    "logits": ("float16", "float32", "float64"),
    "value": ("float16", "float32", "float64"),
    "tail": ("float16", "float32", "float64"),
    "mask": ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    **dict.fromkeys(
        ("index", "tokens", "lengths", "count"),
        ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    ),
}
_USUAL = {
    "index": "int32",
    "tokens": "int32",
    "lengths": "int64",
    "count": "int32",
    "mask": "bool",
    "tail": "float32",
}


def columns_of(batch: LabelBatch) -> dict[str, NDArray[Any]]:
    """The columns of a batch of kind 'tokens' by name, a row per position."""
    labels, sequences = batch.labels.expanded(), batch.sequences
    assert sequences is not None
    columns: dict[str, NDArray[Any]] = {}
    if labels.index is None:
        columns["logits"] = labels.value
    else:
        columns |= {"index": labels.index, "value": labels.value}
    if sequences.tokens is not None:
        columns["tokens"] = sequences.tokens
    if sequences.mask is not None:
        columns["mask"] = sequences.mask
    if labels.index is not None and labels.tail in ("floor", "uniform"):
        columns["tail"] = left_out_mass(labels)
    return columns


def dtype_of_column(name: str, rows: NDArray[Any], dtypes: Mapping[str, Any]) -> str:
    """Dtype in which a column is written: the source's, but no narrower floats than the labels are.

    Args:
        name: name of the column.
        rows: its first rows.
        dtypes: those of the source, see `source_types`.
    """
    stated = dtypes.get(name, _USUAL.get(name, rows.dtype.name))
    if name in ("logits", "value"):
        stated = np.promote_types(stated, rows.dtype).name
    return str(stated)


def source_types(types: Mapping[str, Any]) -> dict[str, Any]:
    """Dtypes of the source's columns, and positions in a `row`; of an untrusted header.

    Args:
        types: `DumpInfo.types` of the source.

    Raises:
        DumpError: a dtype that a column cannot have.
    """
    stated = types.get("columns", {})
    if not isinstance(stated, Mapping):
        raise DumpError(f"types of the source: columns cannot be {stated!r}")
    known = {name: dtype for name, dtype in stated.items() if name in _DTYPES}
    for name, dtype in known.items():
        if dtype not in _DTYPES[name]:
            raise DumpError(f"types of the source: {name} cannot be {dtype!r}")
    row = stated.get("row")
    if row is not None and (type(row) is not int or row < 1):
        raise DumpError(f"types of the source: a row cannot have {row!r} positions")
    return known if row is None else known | {"row": row}

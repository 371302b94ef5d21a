"""Writing of a folder of .npy files that grow batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.files.os_errors import naming
from labelcodec.formats.token_labels import tail_of

HEADER = 128  # bytes of an .npy header; NumPy's format, version 1.0
_DTYPES = {
    "logits": ("float16", "float32", "float64"),
    "value": ("float16", "float32", "float64"),
    "tail": ("float16", "float32", "float64"),
    "mask": ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    **dict.fromkeys(
        ("index", "tokens", "lengths"),
        ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    ),
}
_USUAL = {
    "index": "int32",
    "tokens": "int32",
    "lengths": "int64",
    "mask": "bool",
    "tail": "float32",
}


class GrowingArray:
    """An .npy file to which rows are appended.

    Args:
        path: the file, which must not exist.
        dtype: dtype of the values.
    """

    def __init__(self, path: Path, dtype: str) -> None:
        self.path, self.dtype, self.shape = path, np.dtype(dtype), list[int]()
        self._file: IO[bytes] = path.open("xb")
        self._file.write(bytes(HEADER))

    def append(self, rows: NDArray[Any]) -> None:
        """Append rows; those of all calls have one shape but for their number.

        Raises:
            DumpError: a number is too large for the dtype.
            OSError: the file cannot be written.
        """
        if self.dtype.kind in "iu" and len(rows):
            limits = np.iinfo(self.dtype)
            if rows.min() < limits.min or rows.max() > limits.max:
                raise DumpError(f"{self.path.name}: {rows.max()} does not fit {self.dtype}")
        if not self.shape:
            self.shape = [0, *rows.shape[1:]]
        self.shape[0] += len(rows)
        with naming(self.path):
            self._file.write(np.ascontiguousarray(rows, self.dtype.newbyteorder("<")).tobytes())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def finish(self, row: int | None = None) -> None:
        """Write the header; with `row`, the first axis becomes two, of rows of this length."""
        shape = self.shape
        if row is not None and len(shape) and shape[0] % row == 0:
            shape = [shape[0] // row, row, *shape[1:]]
        values = {
            "descr": self.dtype.newbyteorder("<").str,
            "fortran_order": False,
            "shape": tuple(shape),
        }
        text = str(values).encode()
        head = b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little")
        with naming(self.path):
            self._file.seek(0)
            self._file.write(head + text.ljust(HEADER - len(head) - 1) + b"\n")
            self._file.flush()


def write_arrays(batches: Iterable[LabelBatch], root: Path, types: Mapping[str, Any]) -> int:
    """Write token-level labels as a folder of .npy files.

    Args:
        batches: batches of kind 'tokens', in order.
        root: an empty folder.
        types: `DumpInfo.types` of the source.

    Returns:
        Number of files.

    Raises:
        DumpError: the labels cannot be written as arrays.
        OSError: a file cannot be written.
    """
    dtypes = _source_types(types)
    row = dtypes.get("row")
    lengths = _Lengths()
    files: dict[str, GrowingArray] = {}
    with ExitStack() as stack:
        for batch in batches:
            columns = _columns(batch)
            if files and files.keys() != columns.keys():
                raise DumpError(f"batch {batch.number}: has other parts than the batches before it")
            for name, rows in columns.items():
                if name not in files:
                    array = GrowingArray(root / f"{name}.npy", _dtype(name, rows, dtypes))
                    files[name] = stack.enter_context(closing(array))
                files[name].append(rows)
            lengths.add(batch)
        if row is not None and set(lengths.values) != {row}:
            row = None
        is_single = len(lengths.values) == 1 and "lengths" not in dtypes
        if row is None and not is_single:
            column = np.array(lengths.values, np.int64)
            array = GrowingArray(root / "lengths.npy", _dtype("lengths", column, dtypes))
            files["lengths"] = stack.enter_context(closing(array))
            array.append(column)
        for array in files.values():
            array.finish(row)
        return len(files)


def _dtype(name: str, rows: NDArray[Any], dtypes: Mapping[str, Any]) -> str:
    """The source's dtype, but no narrower floats than the labels are."""
    stated = dtypes.get(name, _USUAL.get(name, rows.dtype.name))
    if name in ("logits", "value"):
        stated = np.promote_types(stated, rows.dtype).name
    return str(stated)


class _Lengths:
    """Positions of each sequence, put together from the batches it is spread over."""

    def __init__(self) -> None:
        self.values: list[int] = []
        self._last: tuple[int, int] | None = None  # number and end of the last sequence

    def add(self, batch: LabelBatch) -> None:
        """Add a batch's sequences."""
        sequences = batch.sequences
        assert sequences is not None
        numbers = batch.image_index[sequences.first]
        for number, start, length in zip(
            numbers.tolist(), sequences.start.tolist(), sequences.length.tolist(), strict=True
        ):
            if self._last == (number, start):
                self.values[-1] += length
            else:
                self.values.append(length)
            self._last = number, start + length


def _columns(batch: LabelBatch) -> dict[str, NDArray[Any]]:
    """The arrays of a batch by name."""
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
    if labels.floor is not None:
        left_out = labels.classes - labels.value.shape[1]
        columns["tail"] = tail_of(labels.value, labels.floor, left_out)
    elif labels.tail == "uniform":
        columns["tail"] = np.maximum(1 - labels.value.sum(axis=1, dtype=np.float64), 0)
    return columns


def _source_types(types: Mapping[str, Any]) -> dict[str, Any]:
    """Dtypes of the source's arrays; they come from an untrusted header.

    Raises:
        DumpError: a dtype that an array cannot have.
    """
    stated = types.get("arrays", {})
    if not isinstance(stated, Mapping):
        raise DumpError(f"types of the source: arrays cannot be {stated!r}")
    known = {name: dtype for name, dtype in stated.items() if name in _DTYPES}
    for name, dtype in known.items():
        if dtype not in _DTYPES[name]:
            raise DumpError(f"types of the source: {name} cannot be {dtype!r}")
    row = stated.get("row")
    if row is not None and (type(row) is not int or row < 1):
        raise DumpError(f"types of the source: a row cannot have {row!r} positions")
    return known if row is None else known | {"row": row}

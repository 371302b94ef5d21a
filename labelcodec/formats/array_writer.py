"""Writing of a folder of .npy files that grow batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.extras import needing_extra
from labelcodec.files.os_errors import naming
from labelcodec.formats.written_columns import columns_of, dtype_of_column, source_types
from labelcodec.kept_counts import kept_of

HEADER = 128  # bytes of an .npy header; NumPy's format, version 1.0
COUNT = "count"
AT_ONCE = 1 << 20  # numbers


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
    dtypes = source_types(types)
    row = dtypes.get("row")
    lengths = _Lengths()
    files: dict[str, GrowingArray] = {}
    with ExitStack() as stack:

        def create(name: str, rows: NDArray[Any]) -> GrowingArray:
            array = GrowingArray(root / f"{name}.npy", dtype_of_column(name, rows, dtypes))
            files[name] = stack.enter_context(closing(array))
            return array

        for batch in batches:
            columns = columns_of(batch)
            if files and files.keys() - {COUNT} != columns.keys():
                raise DumpError(f"batch {batch.number}: has other parts than the batches before it")
            for name, rows in columns.items():
                (files.get(name) or create(name, rows)).append(rows)
            if batch.labels.count is not None or COUNT in dtypes or COUNT in files:
                kept = kept_of(batch.labels)
                if COUNT not in files:
                    _append_many(create(COUNT, kept), columns["index"].shape[1], lengths.positions)
                files[COUNT].append(kept)
            lengths.add(batch)
        if row is not None and set(lengths.values) != {row}:
            row = None
        is_single = len(lengths.values) == 1 and "lengths" not in dtypes
        if row is None and not is_single:
            column = np.array(lengths.values, np.int64)
            create("lengths", column).append(column)
        for array in files.values():
            array.finish(row)
        return len(files)


def joined_arrays(root: Path, suffix: str) -> Path:
    """Put a folder of .npy files together in one file.

    Args:
        root: the folder, in which the file is, too.
        suffix: '.npz', which is not compressed, or '.safetensors'.
    """
    files, target = sorted(root.iterdir()), root / f"arrays{suffix}"
    with naming(target):
        if suffix == ".npz":
            with ZipFile(target, "x") as archive:
                for path in files:
                    archive.write(path, path.name)
        else:
            with needing_extra("writing a .safetensors file"):
                from safetensors.numpy import save_file
            save_file({path.stem: np.load(path, mmap_mode="r") for path in files}, target)
    return target


def _append_many(array: GrowingArray, number: int, times: int) -> None:
    """Append the same number many times."""
    for first in range(0, times, AT_ONCE):
        array.append(np.full(min(AT_ONCE, times - first), number))


class _Lengths:
    """Positions of each sequence, put together from the batches it is spread over."""

    def __init__(self) -> None:
        self.values: list[int] = []
        self._last: tuple[int, int] | None = None  # number and end of the last sequence

    @property
    def positions(self) -> int:
        """Positions of all sequences so far."""
        return sum(self.values)

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

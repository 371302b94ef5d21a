"""Arrays that stay in their file: each process maps it, so that any image is read at once."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.files.regular import open_regular


@dataclass(eq=False)
class StoredArray:
    """An array in a file.

    Attributes:
        path: the file.
        dtype: dtype of the values; of bfloat16 uint16 with the same bits.
        shape: length of each axis.
        strides: bytes from one value to the next along each axis.
        offset: position of the first value in the file; -1 of an array that was decompressed and is
            in memory.
        is_bfloat16: whether the values are bfloat16.
        memory: the values in memory; None where they are in the file.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    is_bfloat16: bool = False
    memory: NDArray[Any] | None = None
    _mapped: NDArray[Any] | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_mapped": None}  # each process maps the file itself

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def raw(self) -> NDArray[Any]:
        """The values as stored, read-only."""
        if self.memory is not None:
            return self.memory
        if self._mapped is None:
            content = map_file(self.path)
            self._mapped = np.ndarray(self.shape, self.dtype, content, self.offset, self.strides)
        return self._mapped

    def values(self, item: int | slice) -> NDArray[Any]:
        """Values at a position of the first axis, in native order; bfloat16 becomes float32."""
        part = self.raw()[item]
        part = part.astype(part.dtype.newbyteorder("="), copy=False)
        if not self.is_bfloat16:
            return part
        return (part.astype(np.uint32) << np.uint32(16)).view(np.float32)


def opened(path: Path) -> IO[bytes]:
    """A tensor file, opened for reading; errors as of `map_file`, but for an empty file."""
    return open(open_regular(path, MismatchError, "a tensor file"), "rb")


def map_file(path: Path) -> mmap.mmap:
    """A read-only map of a file.

    Raises:
        MismatchError: it is no regular file, or is empty.
        OSError: it cannot be opened.
    """
    with opened(path) as file:
        if not file.seek(0, 2):
            raise MismatchError(f"{path}: is empty")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def in_file(
    path: Path,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    offset: int,
    end: int,
    order: str,
) -> StoredArray:
    """An array whose values follow each other in a file.

    Args:
        path: the file.
        dtype: dtype of the values.
        shape: length of each axis.
        offset: position of the first value.
        end: position behind the bytes that may be its own.
        order: 'C', or 'F' where the first axis varies fastest.

    Raises:
        MismatchError: the values do not fit.
    """
    lengths = shape if order == "C" else shape[::-1]
    size, strides = dtype.itemsize, list[int]()
    for length in reversed(lengths):
        strides.insert(0, size)
        size *= length
    if offset < 0 or offset + size > end:
        raise MismatchError(
            f"{path}: truncated or damaged: an array of shape {shape} needs {size} bytes, and "
            f"{max(end - offset, 0)} are left"
        )
    return StoredArray(
        path, dtype, shape, tuple(strides if order == "C" else strides[::-1]), offset
    )


def in_memory(path: Path, array: NDArray[Any]) -> StoredArray:
    """An array that was read from a file that cannot be mapped."""
    return StoredArray(path, array.dtype, array.shape, array.strides, -1, memory=array)


def as_bfloat16(array: StoredArray) -> StoredArray:
    """The array, whose values are the bits of bfloat16."""
    return replace(array, is_bfloat16=True)

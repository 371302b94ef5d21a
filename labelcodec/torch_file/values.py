"""From descriptions to values: every size, stride and offset is checked, and nothing is copied."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from mmap import mmap
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import DumpError, UnsafeError
from labelcodec.torch_file.descriptions import (
    Opaque,
    SavedArray,
    SavedDtype,
    SavedScalar,
    SavedStorage,
    SavedTensor,
)
from labelcodec.torch_file.limits import MAX_ARRAYS, MAX_DEPTH, MAX_VALUES
from labelcodec.torch_file.tensor import BITS_OF_BFLOAT16, Tensor

Buffer = bytes | mmap  # a file: its content, or a map of it
MAX_DIMENSIONS = 32
_INTEGERS = range(-(1 << 63), 1 << 64)
_TOO_LARGE = 1 << 63


@dataclass(frozen=True, slots=True)
class Bytes:
    """A range of a buffer."""

    buffer: Buffer
    start: int
    size: int


class Storages(Protocol):
    """The storages of a file.

    Attributes:
        order: byte order of their values: '<' or '>'.
    """

    @property
    def order(self) -> str:
        """Byte order of the values: '<' or '>'."""

    def content(self, key: str) -> Bytes:
        """The bytes of a storage.

        Raises:
            DumpError: there is none of that key, or it is damaged.
        """


def to_values(described: Any, storages: Storages) -> Any:
    """Replace every description in a tree of lists, tuples and dicts.

    Returns:
        The tree with a `Tensor` for each tensor, and numpy arrays and scalars. Arrays are views of
        the file's bytes and read-only.

    Raises:
        UnsafeError: the tree is too deep or too large, or holds something else.
        DumpError: a tensor or array does not fit its bytes.
    """
    return _Converter(storages).convert(described, 0)


class _Converter:
    def __init__(self, storages: Storages) -> None:
        self.storages = storages
        self.values_left = MAX_VALUES
        self.arrays_left = MAX_ARRAYS

    def convert(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is SavedTensor or kind is SavedArray or kind is SavedScalar:
            return self.array(value)
        if kind is list or kind is tuple or kind is dict:
            self.enter(len(value), depth)
            if kind is dict:
                return {key: self.convert(inner, depth + 1) for key, inner in value.items()}
            return kind([self.convert(inner, depth + 1) for inner in value])
        if kind is int and value not in _INTEGERS:
            raise UnsafeError("refused, it holds an integer of more than 64 bits")
        if value is None or kind in (bool, int, float, str, bytes, Opaque):
            return value
        raise UnsafeError(f"refused, it holds a bare {_what(value)}, which labels do not need")

    def array(self, saved: SavedTensor | SavedArray | SavedScalar) -> Any:
        self.arrays_left -= 1
        if self.arrays_left < 0:
            raise UnsafeError(f"refused, it holds more than {MAX_ARRAYS} tensors and arrays")
        if isinstance(saved, SavedTensor):
            return _tensor(saved, self.storages)
        if isinstance(saved, SavedScalar):
            return _array((), saved.dtype, saved.data, "C")[()]
        return _array(saved.shape, saved.dtype, saved.data, saved.order)

    def enter(self, count: int, depth: int) -> None:
        """Count the values of a list, tuple or dict."""
        self.values_left -= count + 1
        if self.values_left < 0 or depth == MAX_DEPTH:
            raise UnsafeError(
                f"refused, it holds more than {MAX_VALUES} values, or lists more than {MAX_DEPTH} "
                "deep"
            )


def _what(value: Any) -> str:
    names = {SavedStorage: "storage", SavedDtype: "numpy dtype"}
    return names.get(type(value), "class or function")


def _tensor(saved: SavedTensor, storages: Storages) -> Tensor:
    storage, size, stride, dtype = saved.storage, saved.size, saved.stride, saved.dtype
    if dtype is None:
        raise UnsafeError("refused, it holds a tensor without a dtype, which labels do not need")
    if type(storage.key) is not str or not _counts((storage.numel, saved.offset)):
        raise DumpError("damaged: a tensor's storage has no key, or its sizes are not numbers")
    if type(size) is not tuple or type(stride) is not tuple or len(size) != len(stride):
        raise DumpError("damaged: a tensor has no shape")
    if len(size) > MAX_DIMENSIONS or not _counts(size) or not _counts(stride):
        raise DumpError("damaged: a tensor's shape or strides are not numbers")
    in_numpy = numpy_dtype(dtype, storages.order)
    width = in_numpy.itemsize
    content = storages.content(storage.key)
    stored = storage.numel * width_of(storage.dtype)
    if stored > content.size:
        raise DumpError(
            f"damaged: storage {storage.key[:20]!a} has {content.size} bytes in place of {stored}"
        )
    if 0 in size:
        return Tensor(dtype, _empty(size, in_numpy))
    if (saved.offset + _reach(size, stride) + 1) * width > stored:
        raise DumpError(f"damaged: a tensor of shape {size} ends outside of its storage")
    start = content.start + saved.offset * width
    # The stride of an axis of one value may be anything, also what numpy cannot hold.
    steps = tuple([step * width if n > 1 else width for n, step in zip(size, stride, strict=True)])
    return Tensor(dtype, np.ndarray(size, in_numpy, content.buffer, start, steps))


@lru_cache(maxsize=64)
def numpy_dtype(name: str, order: str) -> np.dtype[Any]:
    """The dtype of numpy for torch's or numpy's name of one, in a byte order."""
    dtype = BITS_OF_BFLOAT16 if name == "bfloat16" else np.dtype(name)
    return dtype.newbyteorder(cast(Any, order))


def width_of(dtype: str | None) -> int:
    """Bytes per value of a storage; 1 of an untyped one."""
    return 1 if dtype is None else numpy_dtype(dtype, "<").itemsize


def _counts(numbers: tuple[Any, ...]) -> bool:
    """Whether all are integers, not negative, of at most 63 bits."""
    for number in numbers:  # noqa: SIM110, a generator takes three times as long
        if type(number) is not int or not 0 <= number < _TOO_LARGE:
            return False
    return True


def _reach(size: tuple[int, ...], stride: tuple[int, ...]) -> int:
    """Distance from the first to the last element, in elements.

    Two elements in one place are refused: such a tensor may be far larger than its bytes.
    """
    reach = 0
    for step, n in sorted(zip(stride, size, strict=True)):
        if n > 1:
            if step <= reach:
                raise UnsafeError(
                    f"refused, a tensor of shape {size} is not a plain tensor: its elements overlap"
                )
            reach += (n - 1) * step
    return reach


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array without values; the other lengths are bounded, as numpy multiplies them."""
    if math.prod(max(n, 1) for n in shape) >= 1 << 48:
        raise DumpError(f"damaged: an array has the shape {shape}")
    return np.empty(shape, dtype)


def _array(shape: Any, dtype: Any, data: Any, order: str) -> NDArray[Any]:
    if type(dtype) is not SavedDtype or type(data) is not bytes:
        raise UnsafeError("refused, it holds an array of unknown dtype or without values")
    if type(shape) is not tuple or len(shape) > MAX_DIMENSIONS or not _counts(shape):
        raise DumpError("damaged: an array has no shape")
    in_numpy = numpy_dtype(dtype.name, dtype.order)
    if math.prod(shape) * in_numpy.itemsize != len(data):
        raise DumpError(f"damaged: an array of shape {shape} has {len(data)} bytes")
    if 0 in shape:
        return _empty(shape, in_numpy)
    return np.ndarray(shape, in_numpy, data, order="F" if order == "F" else "C")

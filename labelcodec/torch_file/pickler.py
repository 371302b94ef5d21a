"""Pickles of tensors, arrays and numbers, byte for byte as torch.save writes them (protocol 2).

As pickle does, an object that was written before is fetched from the memo: every global, every
dtype, and the texts and bytes that Python itself keeps only once.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.torch_file.globals import DTYPES_OF_V3, STORAGES
from labelcodec.torch_file.tensor import Tensor

_STORAGE_OF = {dtype: name for name, dtype in STORAGES.items()}
_MULTIARRAY = "numpy._core.multiarray"
_SHARED = ("storage", "cpu", "latin1")
_BATCH = 1000  # items per APPENDS


def to_pickle(content: Any) -> tuple[bytes, list[NDArray[Any]]]:
    """Pickle a tree of lists, tuples and dicts.

    Args:
        content: lists, tuples and dicts of `Tensor`, numpy arrays and scalars, numbers, text and
            None.

    Returns:
        The pickle, and the values of storage 0, 1, …, little-endian.

    Raises:
        TypeError: it holds something else.
    """
    pickler = _Pickler()
    pickler.save(content)
    return b"\x80\x02" + b"".join(pickler.out) + b".", pickler.storages


class _Pickler:
    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.storages: list[NDArray[Any]] = []
        self.memo: dict[Any, int] = {}
        self.puts = 0

    def save(self, value: Any) -> None:
        kind = type(value)
        if value is None or kind is bool:
            self.out.append({None: b"N", True: b"\x88", False: b"\x89"}[value])
        elif kind is int:
            self.integer(value)
        elif kind is float:
            self.out.append(b"G" + struct.pack(">d", value))
        elif kind is str:
            self.text(value)
        elif kind is list:
            self.list_of(value)
        elif kind is tuple:
            self.tuple_of(value)
        elif kind is dict:
            self.dict_of(value)
        elif kind is Tensor:
            self.tensor(value)
        elif kind is np.ndarray:
            self.array(value)
        elif isinstance(value, np.generic):
            self.scalar(value)
        else:
            raise TypeError(f"a torch file of labels holds no {kind.__name__}")

    def put(self, key: Any = None) -> None:
        """Store the value on top in the memo; `key` finds it again."""
        if key is not None:
            self.memo[key] = self.puts
        short = self.puts < 256
        self.out.append(struct.pack("<cB" if short else "<cI", b"q" if short else b"r", self.puts))
        self.puts += 1

    def fetched(self, key: Any) -> bool:
        """Push the value stored under `key`, if there is one."""
        at = self.memo.get(key)
        if at is not None:
            self.out.append(
                struct.pack("<cB", b"h", at) if at < 256 else struct.pack("<cI", b"j", at)
            )
        return at is not None

    def integer(self, value: int) -> None:
        if 0 <= value < 1 << 16:
            short = value < 256
            self.out.append(struct.pack("<cB" if short else "<cH", b"K" if short else b"M", value))
        elif -(1 << 31) <= value < 1 << 31:
            self.out.append(struct.pack("<ci", b"J", value))
        else:
            size = value.bit_length() // 8 + 1
            raw = value.to_bytes(size, "little", signed=True)
            self.out.append(b"\x8a" + bytes([size]) + raw)

    def text(self, value: str) -> None:
        shared = len(value) == 1 or value in _SHARED
        key = ("text", value) if shared else None
        if key is None or not self.fetched(key):
            raw = value.encode("utf-8", "surrogatepass")
            self.out.append(b"X" + struct.pack("<I", len(raw)) + raw)
            self.put(key)

    def list_of(self, values: list[Any]) -> None:
        self.out.append(b"]")
        self.put()
        for start in range(0, len(values), _BATCH):
            self.out.append(b"(" if len(values) > 1 else b"")
            for value in values[start : start + _BATCH]:
                self.save(value)
            self.out.append(b"e" if len(values) > 1 else b"a")

    def tuple_of(self, values: tuple[Any, ...]) -> None:
        self.out.append(b"(" if len(values) > 3 else b"")
        for value in values:
            self.save(value)
        self.end_tuple(len(values))

    def dict_of(self, values: dict[str, Any]) -> None:
        items = list(values.items())
        self.out.append(b"}")
        self.put()
        for start in range(0, len(items), _BATCH):
            self.out.append(b"(" if len(items) > 1 else b"")
            for key, value in items[start : start + _BATCH]:
                self.save(key)
                self.save(value)
            self.out.append(b"u" if len(items) > 1 else b"s")

    def integers(self, values: tuple[int, ...]) -> None:
        """A tuple of integers."""
        self.out.append(b"(" if len(values) > 3 else b"")
        for value in values:
            self.integer(value)
        self.end_tuple(len(values))

    def end_tuple(self, count: int) -> None:
        """A tuple of the last `count` values; of those since the mark, if more than three."""
        self.out.append((b")", b"\x85", b"\x86", b"\x87")[count] if count < 4 else b"t")
        if count:
            self.put()

    def name(self, module: str, name: str) -> None:
        """A global."""
        if not self.fetched((module, name)):
            self.out.append(f"c{module}\n{name}\n".encode())
            self.put((module, name))

    def call(self, key: Any = None) -> None:
        """Call what is below the tuple on top."""
        self.out.append(b"R")
        self.put(key)

    def tensor(self, tensor: Tensor) -> None:
        values = np.asarray(tensor.stored, order="C")
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        is_untyped = tensor.dtype in DTYPES_OF_V3
        self.name("torch._utils", f"_rebuild_tensor_v{3 if is_untyped else 2}")
        self.out.append(b"((")
        self.text("storage")
        if is_untyped:
            self.name("torch.storage", "UntypedStorage")
        else:
            self.name("torch", _STORAGE_OF[tensor.dtype])
        self.text(str(len(self.storages)))
        self.text("cpu")
        self.integer(values.nbytes if is_untyped else values.size)
        self.end_tuple(5)
        self.out.append(b"Q")
        self.storages.append(values)
        self.integer(0)
        self.integers(values.shape)
        self.integers(tuple(step // values.itemsize for step in values.strides))
        self.out.append(b"\x89")  # requires no gradient
        self.name("collections", "OrderedDict")
        self.out.append(b")")
        self.call()
        if is_untyped:
            self.name("torch", tensor.dtype)
        self.end_tuple(7 if is_untyped else 6)
        self.call()

    def array(self, array: NDArray[Any]) -> None:
        self.name(_MULTIARRAY, "_reconstruct")
        self.name("numpy", "ndarray")
        self.integers((0,))
        self.bytes(b"b")
        self.end_tuple(3)
        self.call()
        self.out.append(b"(")
        self.integer(1)
        self.integers(array.shape)
        self.dtype(array.dtype)
        self.out.append(b"\x89")  # not in Fortran order
        self.bytes(array.tobytes())
        self.end_tuple(5)
        self.out.append(b"b")

    def scalar(self, value: np.generic) -> None:
        self.name(_MULTIARRAY, "scalar")
        self.dtype(value.dtype)
        self.bytes(value.tobytes())
        self.end_tuple(2)
        self.call()

    def dtype(self, dtype: np.dtype[Any]) -> None:
        if self.fetched(dtype):
            return
        order, code = dtype.str[0], dtype.str[1:]
        self.name("numpy", "dtype")
        self.text(code)
        self.out.append(b"\x89\x88")
        self.end_tuple(3)
        self.call(dtype)
        self.out.append(b"(K\x03")
        self.text(order)
        self.out.append(b"NNN" + 2 * struct.pack("<ci", b"J", -1) + b"K\x00")
        self.end_tuple(8)
        self.out.append(b"b")

    def bytes(self, raw: bytes) -> None:
        """Bytes, which protocol 2 writes as text."""
        shared = len(raw) == 1
        if shared and self.fetched(raw):
            return
        self.name("_codecs", "encode")
        self.text(raw.decode("latin1"))
        self.text("latin1")
        self.end_tuple(2)
        self.call(raw if shared else None)

"""Names for the Python, numpy and torch types a dump holds, and the way back.

A kind is 'float', 'int', 'numpy.DTYPE' or 'tensor.DTYPE', for scalars and arrays alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import DumpError

INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
DTYPES = frozenset(("bool", *INTEGERS, "float16", "bfloat16", "float32", "float64"))

_FLOATS = ("float16", "float32")
_DTYPES_OF_PART = {
    "coords": _FLOATS,
    "flip": ("bool",),
    "cutout": ("float32",),
    "mix_index": INTEGERS,
    "ratio": (*_FLOATS, "bfloat16", "float64"),
    "box": INTEGERS,
    "values": (*_FLOATS, "bfloat16"),
    "indices": INTEGERS,
    "label": (*_FLOATS, "int32", "int64"),
}


def kind_of(value: Any) -> str:
    """The kind of a scalar or an array; a type without a kind gives its own name."""
    import torch

    if isinstance(value, torch.Tensor):
        return _tensor_kind(value.dtype)
    if isinstance(value, (np.ndarray, np.generic)):
        return _numpy_kind(value.dtype)
    return type(value).__name__


@lru_cache(maxsize=64)
def _tensor_kind(dtype: Any) -> str:
    return f"tensor.{str(dtype).removeprefix('torch.')}"


@lru_cache(maxsize=64)
def _numpy_kind(dtype: np.dtype[Any]) -> str:
    return f"numpy.{dtype.name}"


def dtype_of(kind: str) -> str:
    """'float16' of 'tensor.float16'."""
    return kind.rpartition(".")[2]


def to_numpy(value: Any) -> NDArray[Any]:
    """A tensor or array as numpy without a copy where possible; bfloat16 becomes float32."""
    import torch

    array: NDArray[Any]
    if not isinstance(value, torch.Tensor):
        array = np.asarray(value)
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    tensor = value.float() if value.dtype is torch.bfloat16 else value
    array = tensor.numpy(force=True)
    return array


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two arrays of one dtype are equal in every bit (-0.0 is not 0.0, NaN is NaN)."""
    view = np.dtype(f"u{b.itemsize}")
    return np.array_equal(np.ascontiguousarray(a).view(view), np.ascontiguousarray(b).view(view))


def restore(values: Any, kind: str) -> Any:
    """A scalar or array of that kind, holding `values`.

    Raises:
        DumpError: the kind is unknown or cannot hold the values.
    """
    family, _, dtype = kind.rpartition(".")
    if kind in ("float", "int"):
        return (float if kind == "float" else int)(values)
    if family not in ("numpy", "tensor") or dtype not in DTYPES:
        raise DumpError(f"{kind!r} is not a kind of value that a dump can hold")
    array = np.asarray(values)
    if family == "numpy" and dtype != "bfloat16":
        return array.astype(dtype)[()]
    import torch

    if dtype == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(np.array(array, dtype=dtype, order="C"))


def check_kinds(types: Mapping[str, Any]) -> None:
    """Refuse a `DumpInfo.types` that did not come from a dump, as a container's may not.

    Raises:
        DumpError: naming the part.
    """
    for part, dtypes in _DTYPES_OF_PART.items():
        kind = types.get(part)
        if kind is None:
            continue
        plain = part in ("ratio", "box")
        allowed = [f"{family}.{dtype}" for family in ("numpy", "tensor") for dtype in dtypes]
        if kind not in allowed and not (plain and kind in ("float", "int")):
            raise DumpError(f"types of the source dump: {part} cannot be {kind!r}")
    drawn = types.get("randaugment")
    if drawn is not None and not isinstance(drawn, Mapping):
        raise DumpError(f"types of the source dump: randaugment cannot be {drawn!r}")
    if drawn is not None:
        check_kinds({"coords": drawn.get("decision")})

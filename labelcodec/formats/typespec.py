"""Names of the Python, numpy and torch types in a dump, and conversion to these types.

A kind is 'float', 'int', 'numpy.DTYPE' or 'tensor.DTYPE', for both scalars and arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import DumpError
from labelcodec.torch_file import Tensor
from labelcodec.torch_file.tensor import native, to_bfloat16

INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
DTYPES = frozenset(("bool", *INTEGERS, "float16", "bfloat16", "float32", "float64"))

_SCALARS = {np.dtype(name).type: f"numpy.{name}" for name in DTYPES - {"bfloat16"}}
_FLOATS = ("float16", "float32")
_DTYPES_OF_PART = {
    "coords": _FLOATS,
    "flip": ("bool",),
    "cutout": ("float32",),
    "mix_index": INTEGERS,
    "ratio": (*_FLOATS, "bfloat16", "float64"),
    "box": INTEGERS,
    "values": (*_FLOATS, "bfloat16", "float64"),
    "indices": INTEGERS,
    "image_index": INTEGERS,
    "patch_shuffle": INTEGERS,
    "label": (*_FLOATS, "int32", "int64"),
}


def typespec_of(value: Any) -> str:
    """The kind of a scalar or array; for other types, the name of the type."""
    kind = type(value)
    if kind is Tensor:
        return f"tensor.{value.dtype}"
    if kind in _SCALARS:
        return _SCALARS[kind]
    is_of_numpy = isinstance(value, (np.ndarray, np.generic))
    return _numpy_kind(value.dtype) if is_of_numpy else kind.__name__


@lru_cache(maxsize=64)
def _numpy_kind(dtype: np.dtype[Any]) -> str:
    return f"numpy.{dtype.name}"


def dtype_of(kind: str) -> str:
    """The dtype of a kind: 'float16' for 'tensor.float16'."""
    return kind.rpartition(".")[2]


def to_numpy(value: Any) -> NDArray[Any]:
    """Convert a tensor or array to numpy, if possible without a copy; bfloat16 becomes float32.

    Arrays of a dump are read-only, and are in native byte order and aligned only after this.
    """
    return value.numpy() if isinstance(value, Tensor) else native(np.asarray(value))


def largest_unsigned(values: NDArray[np.int64]) -> int:
    """The largest value, where a negative one counts as 2^64 more: one look tells both bounds."""
    return int(np.maximum.reduce(values.view(np.uint64), axis=None))


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two arrays of one dtype are equal in every bit (-0.0 is not 0.0, NaN is NaN)."""
    view = np.dtype(f"u{b.itemsize}")
    return np.array_equal(np.ascontiguousarray(a).view(view), np.ascontiguousarray(b).view(view))


def restore(values: Any, kind: str) -> Any:
    """Convert `values` to a scalar or array of the given kind.

    Raises:
        DumpError: the kind is unknown.
    """
    family, _, dtype = kind.rpartition(".")
    if kind in ("float", "int"):
        return (float if kind == "float" else int)(values)
    if family not in ("numpy", "tensor") or dtype not in DTYPES:
        raise DumpError(f"{kind!r} is not a kind of value that a dump can hold")
    array = np.asarray(values)
    if family == "numpy" and dtype != "bfloat16":
        return array.astype(dtype)[()]
    if dtype == "bfloat16":
        return Tensor(dtype, to_bfloat16(array.astype(np.float32)))
    return Tensor(dtype, np.array(array, dtype=dtype, order="C"))


def check_typespecs(types: Mapping[str, Any]) -> None:
    """Validate `DumpInfo.types`, which may come from an untrusted container header.

    Raises:
        DumpError: the kind of a part is not allowed; the message names the part.
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
        check_typespecs({"coords": drawn.get("decision")})

"""The globals that a pickle may name, each with our stand-in. The list is closed."""

from __future__ import annotations

from typing import Any, NoReturn

from labelcodec.errors import UnsafeError
from labelcodec.torch_file.descriptions import (
    Allowance,
    Function,
    Name,
    SavedArray,
    SavedDtype,
    SavedScalar,
    SavedStorage,
    SavedTensor,
)

STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
DTYPES_OF_V3 = ("uint16", "uint32", "uint64")
NUMPY_DTYPES = (
    *("?", "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"),
    *("f2", "f4", "f8"),
)
_DTYPE_ORDERS = ("<", ">", "=", "|")
# Version 3, without subarray, names, fields, or a size of its own.
_DTYPE_STATE = (None, None, None, -1, -1, 0)


def refuse(what: str) -> NoReturn:
    """Raise an `UnsafeError`."""
    raise UnsafeError(f"refused, its pickle {what}, which labels do not need")


def _tensor(args: tuple[Any, ...], _: Allowance) -> SavedTensor:
    """torch._utils._rebuild_tensor and _v2: gradient flag, hooks and metadata say nothing here."""
    storage, offset, size, stride = args[:4]
    if type(storage) is not SavedStorage or len(args) not in (4, 6, 7):
        refuse("rebuilds a tensor from something else than a storage")
    return SavedTensor(storage, offset, size, stride, storage.dtype)


def _tensor_v3(args: tuple[Any, ...], _: Allowance) -> SavedTensor:
    """torch._utils._rebuild_tensor_v3: an untyped storage and a dtype."""
    storage, offset, size, stride, _grad, _hooks, dtype = args[:7]
    if type(storage) is not SavedStorage or type(dtype) is not Name or dtype.kind != "torch.dtype":
        refuse("rebuilds a tensor from something else than a storage")
    return SavedTensor(storage, offset, size, stride, dtype.dtype)


def _parameter(args: tuple[Any, ...], _: Allowance) -> Any:
    """torch._utils._rebuild_parameter: the tensor itself."""
    data, _grad, _hooks = args
    return data


def _ordered_dict(args: tuple[Any, ...], _: Allowance) -> dict[Any, Any]:
    if args != ():
        refuse("makes an OrderedDict from arguments")
    return {}


def _no_bytes(args: tuple[Any, ...], _: Allowance) -> bytes:
    """`bytes()`: how protocol 2 writes empty bytes."""
    if args != ():
        refuse("makes bytes from arguments")
    return b""


def _dtype(args: tuple[Any, ...], _: Allowance) -> SavedDtype:
    """numpy.dtype(name, align=False, copy=True)."""
    name = args[0]
    if type(name) is not str or args[1:] not in ((False, True), ()):
        refuse("makes a numpy dtype from something else than its name")
    if name not in NUMPY_DTYPES:
        refuse(f"names the numpy dtype {name[:20]!a}")
    return SavedDtype(name, "|" if name[-1] in "?1" else "=")


def _new_array(args: tuple[Any, ...], _: Allowance) -> SavedArray:
    """`multiarray._reconstruct(ndarray, (0,), b'b')` of numpy: an array that BUILD fills."""
    kind, shape, code = args
    if type(kind) is not Name or kind.kind != "ndarray" or shape != (0,) or code not in (b"b", "b"):
        refuse("makes an array of another kind than numpy.ndarray")
    return SavedArray()


def _array_of_buffer(args: tuple[Any, ...], _: Allowance) -> SavedArray:
    """`numeric._frombuffer(buffer, dtype, shape, order)` of numpy, in pickle protocol 5."""
    data, dtype, shape, order, *axes = args
    if order not in ("C", "F") or axes not in ([], [None]):
        refuse("makes an array in an order of its own")
    return SavedArray(shape, dtype, order, data)


def _scalar(args: tuple[Any, ...], _: Allowance) -> SavedScalar:
    dtype, data = args
    return SavedScalar(dtype, data)


def _encode(args: tuple[Any, ...], allowance: Allowance) -> bytes:
    """_codecs.encode(text, 'latin1'): how protocol 2 writes bytes."""
    text, encoding = args
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        refuse("calls _codecs.encode with another encoding than latin1")
    allowance.spend(len(text))
    return text.encode("latin1")


def build_array(array: SavedArray, state: Any) -> None:
    """Fill an array: (version, shape, dtype, is in Fortran order, bytes).

    Raises:
        UnsafeError: the state has another form, or the array is filled already.
    """
    if array.data is not None or type(state) is not tuple or len(state) != 5:
        refuse("gives an array a state of unknown form")
    version, array.shape, array.dtype, fortran, array.data = state
    if version != 1 or type(fortran) is not bool:
        refuse("gives an array a state of unknown form")
    array.order = "F" if fortran else "C"


def build_dtype(dtype: SavedDtype, state: Any) -> None:
    """Set the byte order of a dtype; nothing else can be set.

    Raises:
        UnsafeError: the state has another form.
    """
    if type(state) is not tuple or len(state) != 8:
        refuse("gives a numpy dtype a state of unknown form")
    version, order, *rest = state
    plain = (
        version == 3 and order in _DTYPE_ORDERS and all(type(x) in (type(None), int) for x in rest)
    )
    if not plain or tuple(rest) != _DTYPE_STATE:
        refuse("gives a numpy dtype fields, flags or a size of its own")
    dtype.order = order


def _functions() -> dict[tuple[str, str], Function | Name]:
    table: dict[tuple[str, str], Function | Name] = {}

    def add(call: Any, name: str, *modules: str) -> None:
        for module in modules:
            table[module, name] = Function(f"{module}.{name}", call)

    numpy_cores = ("numpy.core", "numpy._core")  # of numpy 1 and 2
    add(_tensor, "_rebuild_tensor", "torch._utils")
    add(_tensor, "_rebuild_tensor_v2", "torch._utils")
    add(_tensor_v3, "_rebuild_tensor_v3", "torch._utils")
    add(_parameter, "_rebuild_parameter", "torch._utils")
    add(_ordered_dict, "OrderedDict", "collections")
    add(_no_bytes, "bytes", "__builtin__", "builtins")
    add(_dtype, "dtype", "numpy")
    add(_new_array, "_reconstruct", *(f"{core}.multiarray" for core in numpy_cores))
    add(_scalar, "scalar", *(f"{core}.multiarray" for core in numpy_cores))
    add(_array_of_buffer, "_frombuffer", *(f"{core}.numeric" for core in numpy_cores))
    add(_encode, "encode", "_codecs")
    return table


GLOBALS: dict[tuple[str, str], Function | Name] = {
    **_functions(),
    ("numpy", "ndarray"): Name("ndarray"),
    ("torch.storage", "UntypedStorage"): Name("storage"),
    **{("torch", name): Name("storage", dtype) for name, dtype in STORAGES.items()},
    **{("torch", dtype): Name("torch.dtype", dtype) for dtype in DTYPES_OF_V3},
}

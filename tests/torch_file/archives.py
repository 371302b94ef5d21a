"""Torch files made by hand: pickles from opcodes, archives from members."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from labelcodec.errors import LabelcodecError
from labelcodec.torch_file import Tensor, compiled, reference
from labelcodec.torch_file.tensor import native


def archive(pickle: bytes, **members: bytes) -> bytes:
    """A zip file as torch lays it out; `members` are 'data/0' and so on, with _ for /."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        file.writestr("archive/data.pkl", pickle)
        for name, data in members.items():
            file.writestr(f"archive/{name.replace('_', '/')}", data)
    return out.getvalue()


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(*values: int) -> bytes:
    """A tuple."""
    return b"(" + b"".join(map(number, values)) + b"t"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def pickle(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def storage(kind: str = "FloatStorage", key: str = "0", count: int = 4) -> bytes:
    parts = (text("storage"), name("torch", kind), text(key), text("cpu"), number(count))
    return b"(" + b"".join(parts) + b"tQ"


def tensor(
    size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, saved: bytes | None = None
) -> bytes:
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    hooks = call(name("collections", "OrderedDict"))
    where = number(offset), numbers(*size), numbers(*stride)
    return call(rebuild, saved or storage(), *where, b"\x89", hooks)


def dtype(code: str, state: bytes | None = None) -> bytes:
    made = call(name("numpy", "dtype"), text(code), b"\x89", b"\x88")
    return made if state is None else made + state + b"b"


def raw(data: bytes) -> bytes:
    return call(name("_codecs", "encode"), text(data.decode("latin1")), text("latin1"))


def array(shape: tuple[int, ...], code: bytes, data: bytes) -> bytes:
    blank = call(
        name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), numbers(0),
        raw(b"b"),
    )  # fmt: skip
    return blank + b"(" + number(1) + numbers(*shape) + code + b"\x89" + data + b"tb"


def as_tensor(value: Tensor) -> torch.Tensor:
    """The torch tensor that `value` stands for."""
    if value.dtype == "bfloat16":
        bits = np.ascontiguousarray(value.stored).astype(np.uint16)
        return torch.from_numpy(bits.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(value.numpy().copy())


def same(ours: Any, torchs: Any) -> bool:
    """Whether we read what torch reads: type, dtype, shape and every bit.

    Only the byte order may differ: numpy swaps arrays as it unpickles them, we when they are used.
    """
    if isinstance(torchs, torch.Tensor):
        if not isinstance(ours, Tensor) or ours.shape != tuple(torchs.shape):
            return False
        mine, torchs = as_tensor(ours), torchs.detach().cpu()
        if mine.dtype != torchs.dtype:
            return False
        if mine.dtype is torch.bfloat16:
            mine, torchs = mine.view(torch.int16), torchs.contiguous().view(torch.int16)
        return bool(mine.numpy().tobytes() == torchs.numpy().tobytes())
    if isinstance(torchs, dict):
        return ours.keys() == torchs.keys() and all(same(ours[k], torchs[k]) for k in torchs)
    if type(ours) is not type(torchs):
        return False
    if isinstance(torchs, (list, tuple)):
        return len(ours) == len(torchs) and all(map(same, ours, torchs))
    if isinstance(torchs, (np.ndarray, np.generic)):
        ours, torchs = (native(v) if isinstance(v, np.ndarray) else v for v in (ours, torchs))
        return (
            ours.dtype == torchs.dtype
            and ours.shape == torchs.shape
            and ours.tobytes() == torchs.tobytes()
        )
    return bool(ours == torchs or (ours != ours and torchs != torchs))


DECLINED = object()


def at_once(data: bytes, opaque: bool = False) -> Any:
    """What the compiled reader makes of an archive on its own, or `DECLINED`."""
    with patch.object(reference, "read_archive", return_value=DECLINED):
        return compiled.read_archive(data, opaque)


def at_once_or_declined(data: bytes) -> Any:
    """The same; whatever it accepts is what the reference reads.

    Raises:
        AssertionError: the reference refuses it, or reads something else.
    """
    read = at_once(data)
    if read is not DECLINED:
        try:
            expected = reference.read_archive(data)
        except LabelcodecError as error:
            raise AssertionError(f"{read!r:.300} was read, but: {error}") from error
        assert identical(read, expected), (read, expected)
    return read


def identical(one: Any, other: Any) -> bool:
    """Whether two values are the same in type, form, and every bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and identical(one.stored, other.stored)
    if isinstance(one, np.ndarray):
        forms = [
            (a.dtype.str, a.shape, a.strides, a.flags.writeable, a.flags.aligned, a.tobytes())
            for a in (one, other)
        ]
        return forms[0] == forms[1]
    if isinstance(one, np.generic):
        return one.dtype.str == other.dtype.str and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return identical(list(one), list(other)) and identical(
            list(one.values()), list(other.values())
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other)
    return bool(one == other)

"""Files of named arrays: .npy, .npz, .safetensors and torch files. Nothing is unpickled."""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from labelcodec.errors import DumpError, MismatchError, UnsafeError
from labelcodec.images.stored_array import (
    StoredArray,
    as_bfloat16,
    in_file,
    in_memory,
    map_file,
    opened,
)
from labelcodec.images.torch_arrays import read_torch

Arrays = Mapping[str, Any]  # StoredArray, or a list of numbers, by name
LOCAL_HEADER = 30  # bytes of a zip file's local header before the name
MAX_NPY_HEADER = 1 << 16  # bytes of an .npy header
MAX_HEADER = 1 << 26  # bytes of a safetensors header
DEFLATE = 1100  # more than deflate can shrink anything
_DTYPE = re.compile(r"'descr':\s*'([<>|=][buif]\d{1,2})'")
_ORDER = re.compile(r"'fortran_order':\s*(True|False)")
_SHAPE = re.compile(r"'shape':\s*\(([\d\s,]*)\)")
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, OSError),
    *(ValueError, struct.error),
)
_SAFETENSORS = {
    "U8": "u1", "I8": "i1", "BOOL": "?", "U16": "<u2", "I16": "<i2", "F16": "<f2", "BF16": "<u2",
    "U32": "<u4", "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}  # fmt: skip


def read_arrays(path: Path) -> Arrays:
    """The arrays of a file by name; '' of a file with a single one that has no name.

    Numbers beside them are lists of floats: the mean and std that a file may say.

    Raises:
        MismatchError: the file is truncated, damaged, or holds Python objects.
        UnsafeError: a torch file that would run code if a plain unpickler opened it.
        OSError: it cannot be opened.
    """
    try:
        return _READERS[path.suffix.lower()](path)
    except DumpError as error:
        kind = UnsafeError if isinstance(error, UnsafeError) else MismatchError
        raise kind(f"{path}: {error}") from None
    except FileNotFoundError:
        raise MismatchError(f"{path}: there is no such file") from None


def _npy(path: Path) -> Arrays:
    with opened(path) as file:
        dtype, shape, order, start = _npy_header(file, str(path))
    return {"": in_file(path, dtype, shape, start, path.stat().st_size, order)}


def _npy_header(file: IO[bytes], where: str) -> tuple[np.dtype[Any], tuple[int, ...], str, int]:
    """Dtype, shape, order and position of the values of an .npy file; only numbers are read."""
    magic = file.read(8)
    width = 2 if magic[6:7] == b"\1" else 4
    length = int.from_bytes(file.read(width), "little")
    if magic[:6] != b"\x93NUMPY" or length > MAX_NPY_HEADER:
        raise MismatchError(f"{where}: not a NumPy file, or truncated")
    header = file.read(length).decode("latin-1")
    shape, order = _SHAPE.search(header), _ORDER.search(header)
    if shape is None or order is None:
        raise MismatchError(f"{where}: damaged: its header is not that of an array")
    dtype = _DTYPE.search(header)
    if dtype is None:
        raise MismatchError(
            f"{where}: holds Python objects or records, which are not read; save numbers"
        )
    try:
        lengths = tuple(int(n) for n in re.findall(r"\d+", shape[1]))
        return np.dtype(dtype[1]), lengths, "F" if order[1] == "True" else "C", file.tell()
    except (TypeError, ValueError):
        raise MismatchError(f"{where}: damaged: its header is not that of an array") from None


def _npz(path: Path) -> Arrays:
    with opened(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return {
                    info.filename.removesuffix(".npy"): _member(path, archive, info)
                    for info in archive.infolist()
                    if info.filename.endswith(".npy")
                }
        except _ZIP_ERRORS as error:
            raise MismatchError(f"{path}: truncated or damaged ({error})") from None


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> StoredArray:
    """One array of an .npz file: in the file where it is not compressed, else in memory."""
    where = f"{path}: {info.filename}"
    if info.file_size > DEFLATE * max(info.compress_size, 1):
        raise MismatchError(f"{where}: damaged: it is larger than its bytes can hold")
    with archive.open(info) as file:
        dtype, shape, order, header = _npy_header(file, where)
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if header + size > info.file_size:
            raise MismatchError(f"{where}: truncated: an array of shape {shape}")
        if info.compress_type != zipfile.ZIP_STORED:
            values = np.frombuffer(file.read(size), dtype)  # its end checks the checksum
            file.read()
            return in_memory(path, values.reshape(shape, order="F" if order == "F" else "C"))
    mapped = map_file(path)
    lengths = mapped[info.header_offset + 26 : info.header_offset + LOCAL_HEADER]
    start = info.header_offset + LOCAL_HEADER + sum(np.frombuffer(lengths, "<u2").tolist())
    with memoryview(mapped) as view:
        if zlib.crc32(view[start : start + info.file_size]) != info.CRC:
            raise MismatchError(f"{where}: damaged: its checksum is wrong")
    return in_file(path, dtype, shape, start + header, start + info.file_size, order)


def _safetensors(path: Path) -> Arrays:
    size = path.stat().st_size
    with opened(path) as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MAX_HEADER, size - 8):
            raise MismatchError(f"{path}: truncated, or not a safetensors file")
        text = file.read(length)
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__", None) or {}
        numbers = {name: _numbers(text) for name, text in metadata.items()}
        tensors = {name: _tensor(path, entry, 8 + length, size) for name, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise MismatchError(f"{path}: damaged: its header is not that of safetensors") from None
    return {**{name: values for name, values in numbers.items() if values}, **tensors}


def _tensor(path: Path, entry: Mapping[str, Any], data: int, size: int) -> StoredArray:
    dtype, shape = np.dtype(_SAFETENSORS[entry["dtype"]]), entry["shape"]
    first, last = entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, first, last)) or data + last > size:
        raise MismatchError(f"{path}: truncated or damaged: a tensor ends outside of the file")
    array = in_file(path, dtype, tuple(shape), data + first, data + last, "C")
    return as_bfloat16(array) if entry["dtype"] == "BF16" else array


def _numbers(text: str) -> list[float]:
    """Three numbers in the text of a safetensors file's metadata; none if it is something else."""
    try:
        values = [float(part) for part in text.strip("[]() ").replace(",", " ").split()]
    except ValueError:
        return []
    return values if len(values) == 3 else []


_READERS: Mapping[str, Callable[[Path], Arrays]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".pt": read_torch,
    ".pth": read_torch,
}

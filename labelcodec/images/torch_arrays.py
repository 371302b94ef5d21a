"""Arrays in what torch.save wrote, in the shapes that distillation code saves them.

MTT and its kin save the images alone (`images_best.pt`), DC, DSA and DM a dict whose `data` is a
list of [images, labels], one for each experiment. Dicts and pairs of tensors are read, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.errors import MismatchError
from labelcodec.images.stored_array import StoredArray, in_memory, map_file
from labelcodec.torch_file import Tensor, read_torch_file
from labelcodec.torch_file.zip_archive import is_zip
from labelcodec.wording import counted


def read_torch(path: Path) -> dict[str, Any]:
    """The arrays of a torch file by name; as `array_files.read_arrays`.

    Raises:
        DumpError: the file is truncated, damaged or not a torch file.
        UnsafeError: it names something that tensors do not need, or exceeds a limit.
        MismatchError: it holds several sets of images.
    """
    mapped = map_file(path)
    saved = read_torch_file(mapped)
    start = np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]

    def stored(tensor: Tensor) -> StoredArray:
        array = tensor.stored
        offset = array.__array_interface__["data"][0] - start
        if is_zip(mapped) and array.size and 0 <= offset < len(mapped):
            described = StoredArray(path, array.dtype, array.shape, array.strides, offset)
        else:  # in the pickle, or in a file of torch before 1.6, which was read whole
            described = in_memory(path, array)
        described.is_bfloat16 = tensor.dtype == "bfloat16"
        return described

    def named(value: Any) -> dict[str, Any]:
        if isinstance(value, Tensor):
            return {"": stored(value)}
        if isinstance(value, Mapping):
            data = value.get("data")
            if isinstance(data, (list, tuple)):
                return named(data)
            entries = ((str(name), _entry(entry)) for name, entry in value.items())
            return {name: stored(entry) if isinstance(entry, Tensor) else entry
                    for name, entry in entries if entry is not None}  # fmt: skip
        if isinstance(value, (list, tuple)):
            return _of_list(path, value, named, stored)
        return {}

    return named(saved)


def _of_list(path: Path, values: Any, named: Any, stored: Any) -> dict[str, Any]:
    """Arrays of [images, labels], or of a list of such pairs, of which there may be one."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    if len(tensors) == len(values) == 2:
        return {"images": stored(tensors[0]), "labels": stored(tensors[1])}
    if len(values) == 1:
        result: dict[str, Any] = named(values[0])
        return result
    if len(values) > 1 and all(isinstance(value, (list, tuple)) for value in values):
        raise MismatchError(
            f"{path}: holds {counted(len(values), 'set')} of images, one for each experiment; save "
            "the [images, labels] of one of them to a file of its own"
        )
    return {}


def _entry(value: Any) -> Any:
    """A tensor; or three numbers as floats; None for anything else."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "buif":
        dtype = value.dtype.newbyteorder("=").name
        return Tensor(dtype, value)
    if isinstance(value, (list, tuple)) and len(value) == 3:
        is_numbers = all(isinstance(number, (int, float)) for number in value)
        return [float(number) for number in value] if is_numbers else None
    return None

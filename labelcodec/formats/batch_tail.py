"""What stands in a batch's list from the label values on: classes, image indices, patch shuffles.

values, [top-k classes], [image indices, [patch shuffle]] (G_VBSM, EDC)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import DumpError
from labelcodec.formats.typespec import INTEGERS, dtype_of, to_numpy, typespec_of
from labelcodec.wording import counted

WHOLE = tuple(f"{family}.{dtype}" for family in ("tensor", "numpy") for dtype in INTEGERS)
VALUES = (
    *("tensor.float16", "tensor.float32", "tensor.bfloat16", "tensor.float64"),
    *("numpy.float16", "numpy.float32", "numpy.float64"),
)


@dataclass(frozen=True, eq=False)
class BatchTail:
    """Label values and what follows them.

    Attributes:
        value: (B, C) or (B, k) float16 or float32; float64 of a file is rounded to float32.
        index: (B, k) int64 classes of top-k labels; None if dense.
        image_index: (B,) int64 position of each image in the folder; None if not recorded.
    """

    value: NDArray[Any]
    index: NDArray[np.int64] | None
    image_index: NDArray[np.int64] | None


def parse_tail(
    parts: Sequence[Any], size: int, types: dict[str, Any], file: str | Path
) -> BatchTail:
    """Parse the end of a batch's list, from the label values on.

    Args:
        parts: the label values, and what follows them.
        size: B.
        types: kinds of the parts parsed so far; updated.
        file: path of the file, for error messages.

    Raises:
        DumpError: a part has an unexpected kind, shape or value, or none that labelcodec stores.
    """
    value = _values(parts[0], size, types, file)
    rest = list(parts[1:])
    index = image_index = None
    if rest and len(_shape(rest[0])) == 2:
        index = _integers(rest.pop(0), "indices", value.shape, types, file)
    if rest:
        if typespec_of(rest[0]).rpartition(".")[2].startswith(("float", "bfloat")):
            _fail(
                file,
                f"ends with {typespec_of(rest[0])} weights of its samples, as WMDD saves them. "
                "labelcodec stores no sample weights: to store the labels alone, load each file "
                "and save its first six items again; the weights stay in the images' "
                "sample_weights.txt.",
            )
        image_index = _integers(rest.pop(0), "image_index", (size,), types, file)
        if image_index.min() < 0 or image_index.max() > np.iinfo(np.int32).max:
            _fail(file, f"image_index {image_index.min()}..{image_index.max()} is out of range")
    if rest:
        shuffle = _integers(rest.pop(0), "patch_shuffle", (size, 2, 2), types, file)
        if shuffle.any():
            _fail(file, "shuffles patches (EDC's option shuffle-patch), which cannot be stored")
    if rest:
        _fail(file, f"holds {counted(len(rest), 'part')} more than those of any known layout")
    return BatchTail(value, index, image_index)


def _fail(file: str | Path, what: str) -> NoReturn:
    raise DumpError(f"{file}: {what}")


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(getattr(value, "shape", ()))


def _values(values: Any, size: int, types: dict[str, Any], file: str | Path) -> NDArray[Any]:
    kind = types["values"] = typespec_of(values)
    if kind not in VALUES:
        _fail(file, f"values is {kind}, expected {' or '.join(VALUES[:4])}")
    shape = _shape(values)
    if len(shape) == 3 and shape[1] == size:
        _fail(
            file,
            f"values has shape {shape}: the labels of {counted(shape[0], 'teacher')}. A label set "
            f"holds one label per sample; save one teacher's, or their mean, of shape {shape[1:]}.",
        )
    if len(shape) != 2 or shape[0] != size or shape[1] == 0:
        _fail(file, f"values has shape {shape}, expected ({size}, any)")
    array = to_numpy(values)
    if dtype_of(kind) == "float64":
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    return array


def _integers(
    value: Any, part: str, shape: tuple[int, ...], types: dict[str, Any], file: str | Path
) -> NDArray[np.int64]:
    kind = types[part] = typespec_of(value)
    if kind not in WHOLE:
        _fail(file, f"{part} is {kind}, expected {' or '.join(WHOLE[: len(INTEGERS)])}")
    if _shape(value) != shape:
        _fail(file, f"{part} has shape {_shape(value)}, expected {shape}")
    return to_numpy(value).astype(np.int64)

"""Conversion between FKD's four label types and top-k labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import MAX_CLASSES, Labels, Tail
from labelcodec.errors import DumpError
from labelcodec.formats.batch_list import fail
from labelcodec.formats.typespec import dtype_of, restore, same_bits

TAILS: dict[str, Tail] = {"hard": "zero", "smoothing": "uniform", "MS": "uniform", "MR": "zero"}
_DIMENSIONS = {"hard": 1, "smoothing": 2, "MS": 3, "MR": 3}
LABEL_KINDS = tuple(
    f"{family}.{dtype}"
    for family in ("numpy", "tensor")
    for dtype in ("int64", "int32", "float16", "float32")
)


def label_type_of(label: NDArray[Any], declared: str | None, file: Path) -> str:
    """Determine the type of a stored label: 'hard', 'smoothing', 'MS' or 'MR'.

    Args:
        label: (n,), (n, 2) or (n, 2, k), as stored.
        declared: the type passed by the caller, or None.
        file: path of the file, for error messages.

    Raises:
        DumpError: the shape matches no type, or not the declared one, or the type is ambiguous
            and not declared.
    """
    if declared is not None and declared not in TAILS:
        raise DumpError(f"unknown label type {declared!r}; known are {', '.join(TAILS)}")
    if declared is None and label.ndim == 3:
        fail(
            file,
            "holds k classes and probabilities, but nothing says whether the rest is spread over "
            "the other classes (MS) or dropped (MR): pass `label_type`, MS or MR",
        )
    label_type = declared or {1: "hard", 2: "smoothing"}.get(label.ndim, "none")
    shape_fits = label.ndim == _DIMENSIONS.get(label_type) and (
        label.ndim == 1 or label.shape[1] == 2
    )
    if not shape_fits or label.size == 0:
        fail(
            file,
            f"a label of shape {label.shape} is not {declared or 'one of FKD'}'s: hard is (n,), "
            "smoothing (n, 2), MS and MR (n, 2, k)",
        )
    return label_type


def parse_labels(label: NDArray[Any], label_type: str, classes: int, file: Path) -> Labels:
    """Convert a stored label array to top-k probabilities; hard labels get the value 1.

    Args:
        label: the array of one file: (B,), (B, 1), or (B, 2, k) classes and probabilities.
        label_type: FKD's label type, such as 'hard' or 'marginal_smoothing_k5'.
        classes: C.
        file: the file, for error messages.

    Raises:
        DumpError: a class is not a whole number, or is out of range.
    """
    stored = label if label_type == "hard" else label[:, 0]
    stored = stored.reshape(len(label), -1)
    if not (np.abs(stored.astype(np.float64)) < MAX_CLASSES).all():  # NaN too
        fail(file, f"has a class outside 0..{MAX_CLASSES - 1}")
    index = stored.astype(np.int64)
    if not same_bits(index.astype(stored.dtype), stored):
        fail(file, "has a class that is not a whole number")
    if label_type == "hard":
        value = np.ones(index.shape, np.float16)
    else:
        value = np.ascontiguousarray(label[:, 1].reshape(index.shape))
    precision: Any = value.dtype.name
    tail = TAILS[label_type]
    return Labels(classes, value, index, "probabilities", tail, precision)


def compose_labels(labels: Labels, label_type: str, kind: str) -> Any:
    """Inverse of `parse_labels`: the array to store.

    Args:
        labels: top-k probabilities.
        label_type: FKD's label type.
        kind: kind and dtype to store, such as 'tensor.float16'.

    Raises:
        DumpError: the labels are not of type `label_type`, or a class does not fit the dtype of
            `kind`.
    """
    wrong_k = label_type in ("hard", "smoothing") and labels.k != 1
    if labels.index is None or labels.space != "probabilities" or wrong_k:
        raise DumpError(f"these labels cannot be written as FKD's {label_type!r}")
    dtype = dtype_of(kind)
    if dtype == "float16" and labels.index.max() > 2048:
        raise DumpError(f"class {labels.index.max()} is beyond what FKD's float16 files can hold")
    if label_type == "hard":
        return restore(labels.index[:, 0], kind)
    pair = np.stack([labels.index.astype(dtype), labels.value.astype(dtype)], axis=1)
    return restore(pair[:, :, 0] if label_type == "smoothing" else pair, kind)

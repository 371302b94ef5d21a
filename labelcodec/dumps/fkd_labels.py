"""FKD's four label types as top-k labels and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import MAX_CLASSES, Labels, Tail
from labelcodec.dumps.kinds import dtype_of, restore, same_bits
from labelcodec.dumps.parts import fail
from labelcodec.errors import DumpError

TAILS: dict[str, Tail] = {"hard": "zero", "smoothing": "uniform", "MS": "uniform", "MR": "zero"}
_DIMENSIONS = {"hard": 1, "smoothing": 2, "MS": 3, "MR": 3}
LABEL_KINDS = tuple(
    f"{family}.{dtype}"
    for family in ("numpy", "tensor")
    for dtype in ("int64", "int32", "float16", "float32")
)


def label_type_of(label: NDArray[Any], asked: str | None, file: Path) -> str:
    """Which of the four types a stored label is.

    Raises:
        DumpError: it is none, is not the type the user said, or only the user can say.
    """
    if asked is not None and asked not in TAILS:
        raise DumpError(f"unknown label type {asked!r}; known are {', '.join(TAILS)}")
    if asked is None and label.ndim == 3:
        fail(
            file,
            "holds k classes and probabilities, but nothing says whether the rest is spread over "
            "the other classes (MS) or dropped (MR): pass --label-type MS or MR",
        )
    label_type = asked or {1: "hard", 2: "smoothing"}.get(label.ndim, "none")
    shape_fits = label.ndim == _DIMENSIONS.get(label_type) and (
        label.ndim == 1 or label.shape[1] == 2
    )
    if not shape_fits or label.size == 0:
        fail(
            file,
            f"a label of shape {label.shape} is not {asked or 'one of FKD'}'s: hard is (n,), "
            "smoothing (n, 2), MS and MR (n, 2, k)",
        )
    return label_type


def parse_labels(label: NDArray[Any], label_type: str, classes: int, file: Path) -> Labels:
    """A stored label array as top-k labels; hard ones have the value 1.

    Raises:
        DumpError: a class is not a whole number, or far too large.
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
    """The stored array that `parse_labels` came from.

    Raises:
        DumpError: the labels are not of that type, or the classes do not fit the dtype.
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

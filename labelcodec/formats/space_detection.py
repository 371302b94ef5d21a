"""What the values of the labels in batch files are: logits, or probabilities.

No layout of batch files says so. Probabilities are told by their values; if they were stored as
logits, a softmax would be taken of a softmax.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Space, Tail
from labelcodec.errors import ConfigError, DumpError
from labelcodec.formats.batch_list import BatchList, fail
from labelcodec.formats.option_check import NO_LABEL_TYPE
from labelcodec.label_space import TOLERANCE, finite_rows, looks_like_probabilities

PROBABILITIES_NOTE = (
    "the labels are probabilities, each sums to 1: they are stored as such, and training raises "
    "them to the power 1/temperature; pass `label_type=logits` if they are logits"
)


def label_space(
    first: BatchList, label_type: str | None, file: str | Path
) -> tuple[Space, Tail | None]:
    """Determine the space and the tail of the labels.

    Args:
        first: content of the first batch file.
        label_type: 'logits', 'probabilities' (dense labels), 'MS' or 'MR' (top-k probabilities),
            or None if the caller did not say.
        file: the first batch file, for error messages.

    Raises:
        ConfigError: the labels are not of that type.
        DumpError: top-k labels look like probabilities, and nothing says how to fill in the rest.
    """
    if label_type == "logits":
        return "logits", None if first.index is None else "zero"
    if first.index is None:
        if label_type in ("MS", "MR"):
            _refuse(label_type, "these labels are dense", file)
        if looks_like_probabilities(first.value):
            return "probabilities", None
        if label_type == "probabilities":
            _refuse(label_type, "these labels do not sum to 1", file)
        return "logits", None
    if not _may_be_part(first.value):
        if label_type is not None:
            _refuse(label_type, "these labels are not in 0..1, or sum to more than 1", file)
        return "logits", "zero"
    if label_type in ("MS", "MR"):
        return "probabilities", ("uniform" if label_type == "MS" else "zero")
    raise DumpError(
        f"{file}: holds the largest probabilities of each label, but nothing says whether the rest "
        "is spread over the other classes (MS) or dropped (MR): pass `label_type`, MS or MR, or "
        "logits if they are logits"
    )


def check_space(
    value: NDArray[Any], space: Space, label_type: str | None, file: str | Path
) -> None:
    """Check that the dense labels of a batch are what the first batch's are.

    Args:
        value: (B, C) values.
        space: what the dump's labels are read as.
        label_type: as in `label_space`.
        file: the batch file, for the error message.

    Raises:
        DumpError: they are not.
    """
    if space == "probabilities":
        if not looks_like_probabilities(value):
            fail(file, "its labels do not sum to 1, but the dump's are read as probabilities")
    elif label_type is None and looks_like_probabilities(value) and len(finite_rows(value)) > 1:
        # one row may sum to 1 by chance
        fail(
            file,
            "its labels are probabilities, each sums to 1, but those of the dump's first file are "
            "not; pass `label_type=logits` if all are logits",
        )


def _refuse(label_type: str, why: str, file: str | Path) -> NoReturn:
    raise ConfigError(
        f"{file}: `label_type` does not apply here: {why}, so they are not {label_type}"
    )


def unused_label_type(options: Mapping[str, Any]) -> dict[str, str]:
    """`label_type`, with the reason, if it names a type that batch files cannot have."""
    if options.get("label_type") in ("logits", "probabilities", "MS", "MR"):
        return {}
    return {"label_type": NO_LABEL_TYPE}


def _may_be_part(value: NDArray[Any]) -> bool:
    """Whether (B, k) values may be the largest probabilities of B labels."""
    value = finite_rows(value)
    if value.shape[1] < 2 or not len(value) or value.min() < 0 or value.max() > 1:
        return False
    sums = value.sum(axis=1, dtype=np.float64)
    return bool((sums < 1 + TOLERANCE).all() and (sums > 0).all())

"""Validation of a batch: types, shapes and value ranges of its parts."""

from __future__ import annotations

import numpy as np

from labelcodec.augmentation.parts import PARTS, Augmentation
from labelcodec.batch import MAX_CLASSES, MAX_SAMPLES, LabelBatch, Labels
from labelcodec.checks import FLOATS, INTEGERS, Checker
from labelcodec.errors import DataError
from labelcodec.sequences.data import check_sequences
from labelcodec.wording import counted


def validate(batch: LabelBatch) -> None:
    """Check the types, shapes and values of a batch's parts, and their consistency.

    Raises:
        DataError: a part is invalid; the message names the batch and the part.
    """
    if not isinstance(batch, LabelBatch):
        raise DataError(f"expected a LabelBatch, got {type(batch).__name__}")
    check = Checker(f"batch {batch.number}")
    check.whole("its number", batch.number)
    check.whole("its epoch", batch.epoch)
    check.array("image indices", batch.image_index, INTEGERS)
    size = len(batch)
    if not 0 < size <= MAX_SAMPLES:
        check.fail(f"has {counted(size, 'sample')}, allowed are 1..{MAX_SAMPLES}")
    if batch.number < 0 or batch.epoch < 0:
        check.fail("has a negative number or epoch")
    if batch.image_index.ndim != 1 or (batch.image_index < 0).any():
        check.fail("image indices must be one-dimensional and not negative")
    check.instance("labels", batch.labels, Labels)
    check.instance("augmentation", batch.augmentation, Augmentation)
    _validate_labels(batch.labels, size, check)
    if batch.sequences is not None:
        check_sequences(batch.sequences, batch.image_index, check)
    for part in PARTS:
        value = getattr(batch.augmentation, part.name)
        if value is not None:
            part.check(value, size, check)
            if batch.sequences is not None:
                check.fail(f"token sequences have no {part.name}")


def _validate_labels(labels: Labels, size: int, check: Checker) -> None:
    check.whole("the number of classes", labels.classes)
    if not 0 < labels.classes <= MAX_CLASSES:
        check.fail(f"{counted(labels.classes, 'class')}, allowed are 1..{MAX_CLASSES}")
    check.array("label values", labels.value, FLOATS)
    if labels.index is None:
        width = labels.classes if labels.compact is None else 0
        check.shape("dense labels", labels.value, (size, width))
        return
    check.array("top-k classes", labels.index, INTEGERS)
    if labels.index.ndim != 2 or not 0 < labels.index.shape[1] <= labels.classes:
        check.fail(
            f"top-k classes have shape {labels.index.shape}, expected (B, 1..{labels.classes})"
        )
    check.shape("top-k classes", labels.index, (size, labels.index.shape[1]))
    check.shape("top-k values", labels.value, labels.index.shape)
    outside = (labels.index < 0) | (labels.index >= labels.classes)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        check.fail(
            f"sample {row}: top-k class {labels.index[row, column]} is outside "
            f"0..{labels.classes - 1}"
        )
    if labels.tail is None:
        check.fail("top-k labels must say what their tail is")
    if labels.tail == "uniform" and labels.space == "logits":
        check.fail("a 'uniform' tail needs probabilities, these are logits")
    if (labels.tail == "floor") != (labels.floor is not None):
        check.fail("a 'floor' tail and floor values come together")
    if labels.floor is not None:
        check.array("floors", labels.floor, labels.value.dtype.name, (size,))
    if labels.count is not None:
        check.array("numbers of kept classes", labels.count, INTEGERS, (size,))
        k = labels.index.shape[1]
        if (labels.count < 1).any() or (labels.count > k).any():
            check.fail(f"numbers of kept classes must lie in 1..{k}")

"""Do the parts of a batch make sense: their types, shapes and ranges?"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import (
    MAX_CLASSES,
    MAX_SAMPLES,
    Augmentation,
    Crop,
    LabelBatch,
    Labels,
    Mix,
    RandAugment,
)
from labelcodec.errors import DataError

_INTEGERS, _FLOATS, _BOOL, _SINGLE = "integers", "float16 or float32", "bool", "float32"


def validate(batch: LabelBatch) -> None:
    """Check that the parts of a batch are what they should be and agree with each other.

    Raises:
        DataError: naming the batch and the part that is wrong.
    """
    if not isinstance(batch, LabelBatch):
        raise DataError(f"expected a LabelBatch, got {_kind(batch)}")
    fail = _Failure(f"batch {batch.number}")
    fail.whole("its number", batch.number)
    fail.whole("its epoch", batch.epoch)
    fail.array("image indices", batch.image_index, _INTEGERS)
    size = len(batch)
    if not 0 < size <= MAX_SAMPLES:
        fail(f"has {size} samples, allowed are 1..{MAX_SAMPLES}")
    if batch.number < 0 or batch.epoch < 0:
        fail("has a negative number or epoch")
    if batch.image_index.ndim != 1 or (batch.image_index < 0).any():
        fail("image indices must be one-dimensional and not negative")
    fail.instance("labels", batch.labels, Labels)
    fail.instance("augmentation", batch.augmentation, Augmentation)
    _validate_labels(batch.labels, size, fail)
    _validate_augmentation(batch.augmentation, size, fail)


class _Failure:
    """Raises DataError with the batch's name in front."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __call__(self, what: str) -> None:
        raise DataError(f"{self.where}: {what}")

    def instance(self, name: str, value: object, kind: type) -> None:
        if not isinstance(value, kind):
            self(f"{name}: expected {kind.__name__}, got {_kind(value)}")

    def whole(self, name: str, value: object) -> None:
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            self(f"{name} is {value!r}, expected an integer")

    def array(
        self, name: str, array: object, kinds: str, shape: tuple[int, ...] | None = None
    ) -> None:
        if not isinstance(array, np.ndarray):
            self(f"{name}: expected a numpy array, got {_kind(array)}")
        elif not _is(array.dtype, kinds):
            self(f"{name} are {array.dtype}, expected {kinds}")
        elif shape is not None:
            self.shape(name, array, shape)

    def shape(self, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
        if array.shape != shape:
            self(f"{name} have shape {array.shape}, expected {shape}")


def _kind(value: object) -> str:
    return type(value).__name__


def _is(dtype: np.dtype[Any], kinds: str) -> bool:
    fits = dtype.kind in "iu" if kinds == _INTEGERS else dtype.name in kinds.split()
    return fits and dtype.isnative


def _validate_labels(labels: Labels, size: int, fail: _Failure) -> None:
    fail.whole("the number of classes", labels.classes)
    if not 0 < labels.classes <= MAX_CLASSES:
        fail(f"{labels.classes} classes, allowed are 1..{MAX_CLASSES}")
    fail.array("label values", labels.value, _FLOATS)
    if labels.index is None:
        width = labels.classes if labels.compact is None else 0
        fail.shape("dense labels", labels.value, (size, width))
        return
    fail.array("top-k classes", labels.index, _INTEGERS)
    if labels.index.ndim != 2 or not 0 < labels.index.shape[1] <= labels.classes:
        fail(f"top-k classes have shape {labels.index.shape}, expected (B, 1..{labels.classes})")
    fail.shape("top-k classes", labels.index, (size, labels.index.shape[1]))
    fail.shape("top-k values", labels.value, labels.index.shape)
    outside = (labels.index < 0) | (labels.index >= labels.classes)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        fail(
            f"sample {row}: top-k class {labels.index[row, column]} is outside "
            f"0..{labels.classes - 1}"
        )
    if labels.tail is None:
        fail("top-k labels must say what their tail is")
    if labels.tail == "uniform" and labels.space == "logits":
        fail("a 'uniform' tail needs probabilities, these are logits")
    if (labels.tail == "floor") != (labels.floor is not None):
        fail("a 'floor' tail and floor values come together")
    if labels.floor is not None:
        fail.array("floors", labels.floor, labels.value.dtype.name, (size,))


def _validate_augmentation(augmentation: Augmentation, size: int, fail: _Failure) -> None:
    crop, mix, drawn = augmentation.crop, augmentation.mix, augmentation.randaugment
    if crop is not None:
        fail.instance("crop", crop, Crop)
        fail.array("crop boxes", crop.box, _FLOATS if crop.size is None else _INTEGERS, (size, 4))
        if crop.size is not None:
            fail.array("crop source sizes", crop.size, _INTEGERS, (size, 2))
            if (crop.size < 1).any():
                fail("crop source sizes must be positive")
    if augmentation.flip is not None:
        fail.array("flips", augmentation.flip, _BOOL, (size,))
    if mix is not None:
        _validate_mix(mix, size, fail)
    if augmentation.cutout is not None:
        fail.array("cutouts", augmentation.cutout, _SINGLE, (size, 7))
    if drawn is not None:
        fail.instance("randaugment", drawn, RandAugment)
        shape = (size, len(drawn.magnitude_dtypes))
        fail.array("randaugment operations", drawn.op, _INTEGERS, shape)
        fail.array("randaugment decisions", drawn.decision, _FLOATS, shape)
        fail.array("randaugment magnitudes", drawn.magnitude, _FLOATS, shape)


def _validate_mix(mix: Mix, size: int, fail: _Failure) -> None:
    fail.instance("mix", mix, Mix)
    fail.array("mix partners", mix.partner, _INTEGERS, (size,))
    if (mix.partner < 0).any() or (mix.partner >= size).any():
        fail(f"mix partners must lie in 0..{size - 1}")
    if not isinstance(mix.ratio, Real):
        fail(f"the mix ratio is {mix.ratio!r}, expected a number")
    if mix.kind not in ("cutmix", "mixup"):
        fail(f"the mix is {mix.kind!r}, expected 'cutmix' or 'mixup'")
    if (mix.kind == "cutmix") != (mix.box is not None):
        fail("cutmix needs a box and mixup has none")
    if mix.box is not None:
        if not isinstance(mix.box, Sequence) or len(mix.box) != 4:
            fail(f"the mix box is {mix.box!r}, expected four integers")
        for edge in mix.box:
            fail.whole("an edge of the mix box", edge)

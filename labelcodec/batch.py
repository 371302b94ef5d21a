"""The data model: one recorded batch, its augmentation and its labels, as numpy arrays.

Symbols in shapes: B samples of the batch, C classes, k kept classes, n RandAugment operations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import DataError

Space = Literal["logits", "probabilities"]
Tail = Literal["zero", "uniform", "floor"]
Precision = Literal["float16", "bfloat16", "float32"]

MAX_CLASSES = 1 << 20
MAX_SAMPLES = 1 << 16
MAX_DENSE = 1 << 28  # values that a batch of top-k labels may be expanded to


@dataclass(frozen=True, eq=False)
class Crop:
    """Crop boxes of a batch.

    Attributes:
        box: (B, 4) top, left, height, width. int32 pixels of the source image when `size`
            is given; otherwise the dump's own fractions of the image sides, float16 or float32.
        size: (B, 2) int32 height, width of each source image in pixels, or None.
        precision: dtype in which the source dump held the fractions (side / image side).
    """

    box: NDArray[Any]
    size: NDArray[np.int32] | None
    precision: Literal["float16", "float32"] = "float32"

    def fractions(self) -> NDArray[Any]:
        """(B, 4) top/H, left/W, height/H, width/W in `precision`, rounded as the peers do.

        They divide in float64, store float32, and LPQLD halves that (two roundings).
        """
        if self.size is None:
            return self.box
        sides = self.size[:, [0, 1, 0, 1]].astype(np.float64)
        return (self.box / sides).astype(np.float32).astype(self.precision)


@dataclass(frozen=True, eq=False)
class Mix:
    """How the images of a batch were mixed with each other.

    Attributes:
        kind: 'cutmix' or 'mixup'.
        partner: (B,) int64 in [0, B), the sample each sample was mixed with.
        ratio: the raw Beta draw (float64), not corrected for a clipped box.
        box: (row0, row1, col0, col1) in pixels of the network input for cutmix, else None.
    """

    kind: Literal["cutmix", "mixup"]
    partner: NDArray[np.int64]
    ratio: float
    box: tuple[int, int, int, int] | None


@dataclass(frozen=True, eq=False)
class RandAugment:
    """RandAugment's draws as LPQLD records them.

    Attributes:
        op: (B, n) int64, the operation's number in timm's list.
        decision: (B, n) float, the uniform draw that decided whether it was applied.
        magnitude: (B, n) float, the final parameter, -99 where there is none. Column j has the
            dtype `magnitude_dtypes[j]` in the dump (whole columns of -99 are int64 there).
        magnitude_dtypes: n dtype names out of 'float16', 'float32', 'int64'.
    """

    op: NDArray[np.int64]
    decision: NDArray[Any]
    magnitude: NDArray[Any]
    magnitude_dtypes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Augmentation:
    """The recorded F of a batch; a part that was not recorded is None.

    Attributes:
        crop: random resized crop.
        flip: (B,) bool, horizontal flip.
        mix: CutMix or mixup.
        cutout: (B, 7) float32 = centre y, centre x, height, width as fractions, then r, g, b.
        randaugment: RandAugment's draws.
    """

    crop: Crop | None = None
    flip: NDArray[np.bool_] | None = None
    mix: Mix | None = None
    cutout: NDArray[np.float32] | None = None
    randaugment: RandAugment | None = None


class Compact(Protocol):
    """Labels in few numbers, as a codec holds them; `dense` expands them."""

    @property
    def coefficients(self) -> NDArray[np.int32]:
        """(B, r) the numbers."""

    def dense(self) -> NDArray[np.float32]:
        """(B, C) logits."""


@dataclass(frozen=True, eq=False)
class Labels:
    """The teacher's output for the samples of one batch.

    Attributes:
        classes: C.
        value: (B, C) when dense, (B, k) when top-k, (B, 0) when compact; float16, or float32.
            Values of a bfloat16 source are held in float32, which represents them exactly.
        index: None when dense; (B, k) int64 classes in [0, C) when top-k, in the source's order.
        space: 'logits' (before softmax) or 'probabilities' (after it).
        tail: what stands for the classes a top-k label left out: 'zero' (nothing; logits are
            softmaxed over the kept ones, probabilities renormalised), 'uniform' (what is missing
            to 1, shared equally; probabilities only), 'floor' (`floor`; logits only).
        precision: dtype of the source's values.
        floor: (B,) smallest logit of each sample, in the dtype of `value`; only with 'floor'.
        compact: what a compact label holds instead of values; None when dense or top-k.
    """

    classes: int
    value: NDArray[Any]
    index: NDArray[np.int64] | None = None
    space: Space = "logits"
    tail: Tail | None = None
    precision: Precision = "float16"
    floor: NDArray[Any] | None = None
    compact: Compact | None = None

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.value)

    @property
    def k(self) -> int | None:
        """Kept classes of a top-k label, None when dense."""
        return None if self.index is None else self.index.shape[1]

    @property
    def coefficients(self) -> NDArray[np.int32]:
        """(B, r) coefficients of compact labels.

        Raises:
            DataError: the labels are not compact.
        """
        if self.compact is None:
            raise DataError("these labels have no coefficients, they are dense or top-k")
        return self.compact.coefficients

    def expanded(self) -> Labels:
        """The same labels with their values; compact ones become dense, in their precision."""
        if self.compact is None:
            return self
        kind = np.float16 if self.precision == "float16" else np.float32
        return replace(self, value=self.dense().astype(kind), compact=None)

    def dense(self) -> NDArray[np.float32]:
        """(B, C) float32 in `space`, the tail filled in.

        Logits with tail 'zero' have -inf for the classes left out, so that a softmax at any
        temperature gives them probability 0.

        Raises:
            DataError: top-k labels whose B times C is above 2^28, 1 GiB.
        """
        if self.compact is not None:
            return self.compact.dense()
        value = self.value.astype(np.float32)
        if self.index is None:
            return value
        if len(value) * self.classes > MAX_DENSE:
            raise DataError(
                f"{len(value)} labels of {self.classes} classes are too many to expand at once"
            )
        full = np.empty((len(value), self.classes), np.float32)
        full[:] = self._tail_fill(value)
        np.put_along_axis(full, self.index, value, axis=1)
        if self.space == "probabilities" and self.tail == "zero":
            full /= np.maximum(full.sum(axis=1, keepdims=True), 1e-12)
        return full

    def _tail_fill(self, value: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.tail == "floor" and self.floor is not None:
            return self.floor.astype(np.float32)[:, None]
        if self.tail == "uniform":
            left_out = max(self.classes - value.shape[1], 1)
            share: NDArray[np.float32] = (1 - value.sum(axis=1, keepdims=True)) / np.float32(
                left_out
            )
            return share
        missing = -np.inf if self.space == "logits" else 0.0
        return np.full((len(value), 1), missing, np.float32)


@dataclass(frozen=True, eq=False)
class LabelBatch:
    """One recorded mini-batch: the unit that is stored, sought, pruned and replayed.

    Attributes:
        number: position among all batches the teacher labelled, counted from 0.
        epoch: the epoch it belongs to, counted from 0.
        image_index: (B,) int64, position of each image in the sorted image folder.
        augmentation: the recorded F.
        labels: the teacher's output.
    """

    number: int
    epoch: int
    image_index: NDArray[np.int64]
    augmentation: Augmentation
    labels: Labels

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.image_index)

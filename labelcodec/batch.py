"""The data model: one recorded batch and its labels, as numpy arrays.

Symbols in shapes: B samples of the batch, C classes, k kept classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.parts import Augmentation
from labelcodec.errors import DataError
from labelcodec.sequences.data import Sequences
from labelcodec.wording import counted

Space = Literal["logits", "probabilities"]
Tail = Literal["zero", "uniform", "floor"]
Precision = Literal["float16", "bfloat16", "float32"]

MAX_CLASSES = 1 << 20
MAX_SAMPLES = 1 << 16
MAX_DENSE = 1 << 28  # largest number of values that a batch of top-k labels is expanded to


class CompactLabels(Protocol):
    """Labels as a codec's coefficients; `dense` expands them to logits.

    They consist of per-batch arrays, and of tables that all labels of a file share. A loader's
    worker sends only the arrays, since the tables are large; `with_arrays` recombines them.
    """

    @property
    def codec(self) -> str:
        """Name of the codec."""

    @property
    def digest(self) -> str:
        """Digest of the shared tables."""

    @property
    def coefficients(self) -> NDArray[np.int32]:
        """(B, r) coefficients."""

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The per-batch arrays."""

    def with_arrays(self, arrays: Sequence[NDArray[Any]]) -> CompactLabels:
        """Labels with the tables of this object and `arrays` of labels with the same digest."""

    def dense(self) -> NDArray[np.float32]:
        """(B, C) logits."""


@dataclass(frozen=True, eq=False)
class Labels:
    """The teacher's output for the samples of one batch.

    Attributes:
        classes: C.
        value: (B, C) when dense, (B, k) when top-k, (B, 0) when compact; float16 or float32.
            Values of a bfloat16 source are held in float32, which represents them exactly.
        index: None when dense; (B, k) int64 classes in [0, C) when top-k, in the source's order.
        space: 'logits' (before softmax) or 'probabilities' (after it).
        tail: how the classes omitted from a top-k label are filled in: 'zero' (probability 0; the
            softmax is taken over the kept logits, probabilities are renormalised), 'uniform' (the
            remaining probability, shared equally; probabilities only), 'floor' (each gets `floor`;
            logits only). None when dense or compact.
        precision: dtype of the source's values.
        floor: (B,) logit of each class that is left out, in the dtype of `value`; only with tail
            'floor'.
        compact: the codec's representation of compact labels; None when dense or top-k.
        count: (B,) int64 number of classes that each top-k label keeps, 1..k; `kept_counts.pad`
            fills the columns behind them. None if all keep k.
    """

    classes: int
    value: NDArray[Any]
    index: NDArray[np.int64] | None = None
    space: Space = "logits"
    tail: Tail | None = None
    precision: Precision = "float16"
    floor: NDArray[Any] | None = None
    compact: CompactLabels | None = None
    count: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.value)

    def __repr__(self) -> str:
        if self.compact is not None:
            kind = f"compact ({self.compact.coefficients.shape[1]} coefficients)"
        else:
            kind = "dense" if self.k is None else f"top-{self.k}"
            kind = kind if self.count is None else f"top-{self.count.min()} to {kind}"
        tail = "" if self.tail is None else f", tail {self.tail}"
        return (
            f"<Labels: {len(self)} x {counted(self.classes, 'class')}, {kind} {self.space}, "
            f"{self.precision}{tail}>"
        )

    @property
    def k(self) -> int | None:
        """Most classes kept in a top-k label; None when dense or compact."""
        return None if self.index is None else self.index.shape[1]

    @property
    def coefficients(self) -> NDArray[np.int32]:
        """(B, r) int32 coefficients of compact labels.

        Raises:
            DataError: the labels are not compact.
        """
        if self.compact is None:
            raise DataError("these labels have no coefficients, they are dense or top-k")
        return self.compact.coefficients

    def expanded(self) -> Labels:
        """The same labels as values: compact labels become dense, in float16 or float32."""
        if self.compact is None:
            return self
        dtype = np.float16 if self.precision == "float16" else np.float32
        return replace(self, value=self.dense().astype(dtype), compact=None)

    def rows(self, chosen: slice | NDArray[np.int64]) -> Labels:
        """The labels of some of the samples; of compact labels as values."""
        labels = self.expanded()
        return replace(
            labels,
            value=labels.value[chosen],
            index=None if labels.index is None else labels.index[chosen],
            floor=None if labels.floor is None else labels.floor[chosen],
            count=None if labels.count is None else labels.count[chosen],
        )

    def dense(self) -> NDArray[np.float32]:
        """(B, C) float32 values in `space`, with the tail filled in.

        Logits with tail 'zero' have -inf for the omitted classes, so that a softmax at any
        temperature gives them probability 0.

        Raises:
            DataError: expanded top-k labels would have more than 2^28 values (1 GiB).
        """
        if self.compact is not None:
            return self.compact.dense()
        value = self.value.astype(np.float32)
        if self.index is None:
            return value
        if len(value) * self.classes > MAX_DENSE:
            raise DataError(
                f"{counted(len(value), 'label')} of {counted(self.classes, 'class')} are too many "
                "to expand at once"
            )
        full = np.empty((len(value), self.classes), np.float32)
        full[:] = self.left_out_value()
        np.put_along_axis(full, self.index, value, axis=1)
        if self.space == "probabilities" and self.tail == "zero":
            full /= np.maximum(full.sum(axis=1, keepdims=True), 1e-12)
        return full

    def left_out_value(self) -> NDArray[np.float32]:
        """(B, 1) float32 value in `space` of each class that top-k labels leave out."""
        value = self.value.astype(np.float32)
        if self.tail == "floor" and self.floor is not None:
            return self.floor.astype(np.float32)[:, None]
        if self.tail == "uniform":
            omitted = max(self.classes - value.shape[1], 1)
            share: NDArray[np.float32] = (1 - value.sum(axis=1, keepdims=True)) / np.float32(
                omitted
            )
            return share
        missing = -np.inf if self.space == "logits" else 0.0
        return np.full((len(value), 1), missing, np.float32)


@dataclass(frozen=True, eq=False)
class LabelBatch:
    """One recorded mini-batch: the unit of storage, random access, pruning and replay.

    Attributes:
        number: position among all batches that the teacher labelled, counted from 0.
        epoch: the epoch it belongs to, counted from 0.
        image_index: (B,) int64, position of each image in the sorted image folder; of token-level
            labels the number of each sample's sequence in the data set.
        augmentation: the recorded augmentation.
        labels: the teacher's output.
        sequences: the token sequences whose positions the samples are; None for images.
    """

    number: int
    epoch: int
    image_index: NDArray[np.int64]
    augmentation: Augmentation
    labels: Labels
    sequences: Sequences | None = None

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.image_index)

    def __repr__(self) -> str:
        origin = self.augmentation if self.sequences is None else self.sequences
        return (
            f"<LabelBatch {self.number} of epoch {self.epoch}: {counted(len(self), 'sample')}, "
            f"{origin!r}, {self.labels!r}>"
        )

"""Compact labels of the transform codec: coefficients and peaks (SPEC, section 9)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.format import FINE


@dataclass(frozen=True, eq=False)
class TransformLabels:
    """The labels of a batch, decoded but not expanded to logits.

    Attributes:
        basis: basis tables of the file.
        coefficients: (B, r) int32 coefficients; any prediction is already added.
        counts: (B,) int64 number of peaks per label.
        places: (P,) int64 position of each peak in its label's ranking of scores; concatenated
            label by label, ascending within a label.
        residuals: (P,) int64 corrections of the logits at these positions, in steps of
            `basis.peak`.
        predicted: (B, r) int32 coefficients predicted from image means; None without prediction.
    """

    basis: BasisTables
    coefficients: NDArray[np.int32]
    counts: NDArray[np.int64]
    places: NDArray[np.int64]
    residuals: NDArray[np.int64]
    predicted: NDArray[np.int32] | None = None

    codec: ClassVar[str] = "transform"

    @property
    def digest(self) -> str:
        """Digest of the basis tables; compact labels with equal digests can be joined."""
        return self.basis.digest

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Coefficients, counts, places and residuals."""
        return self.coefficients, self.counts, self.places, self.residuals

    def with_arrays(self, arrays: Sequence[NDArray[Any]]) -> TransformLabels:
        """Compact labels in the same basis, built from arrays as `arrays` returns them."""
        return TransformLabels(self.basis, *arrays)

    def __len__(self) -> int:
        """B, the number of labels."""
        return len(self.counts)

    def __getitem__(self, rows: slice) -> TransformLabels:
        """A contiguous range of labels."""
        ends = np.concatenate([[0], np.cumsum(self.counts)])
        first, stop, _ = rows.indices(len(self))
        peaks = slice(ends[first], ends[stop])
        return TransformLabels(
            self.basis, self.coefficients[rows], self.counts[rows], self.places[peaks],
            self.residuals[peaks], None if self.predicted is None else self.predicted[rows],
        )  # fmt: skip

    @property
    def coded(self) -> NDArray[np.int32]:
        """(B, r) stored coefficients: the differences to the prediction, if there is one."""
        if self.predicted is None:
            return self.coefficients
        coded: NDArray[np.int32] = (self.coefficients - self.predicted) >> FINE
        return coded

    @cached_property
    def peaks(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
        """(P,) rows, classes and logits (in units) of the peaks."""
        scores = self.basis.scores(self.coefficients)
        rows = np.repeat(np.arange(len(self.counts)), self.counts)
        classes = kernels().ranked_classes(scores, self.counts, self.places)
        return rows, classes, self.basis.raised(scores[rows, classes], self.residuals)

    def dense(self) -> NDArray[np.float32]:
        """(B, C) float32 logits."""
        basis = self.basis
        logits: NDArray[np.float32] = kernels().finished(
            basis.scores(self.coefficients), self.counts, self.places, self.residuals, basis.peak,
            basis.tail, basis.shift, 2.0**-basis.point,
        )  # fmt: skip
        return logits


def fingerprint(labels: Labels) -> bytes:
    """SHA-256 of a batch's dense logits, by which the encoder knows them again."""
    return hashlib.sha256(np.ascontiguousarray(labels.value).data).digest()


def joined(parts: Sequence[TransformLabels]) -> TransformLabels:
    """The labels of one or more parts in the same basis, one after another."""
    columns = zip(*(part.arrays() for part in parts), strict=True)
    labels = parts[0].with_arrays([np.concatenate(column) for column in columns])
    predicted = [part.predicted for part in parts if part.predicted is not None]
    return replace(labels, predicted=np.concatenate(predicted)) if predicted else labels

"""Labels as the transform codec holds them: coefficients and peaks (SPEC, section 9)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.frame import Frame
from labelcodec.codecs.transform.plain.images import FINE


@dataclass(frozen=True, eq=False)
class Compact:
    """The labels of a batch, not yet expanded.

    Attributes:
        frame: what the labels of the file share.
        coefficients: (B, r) int32, predictions included.
        counts: (B,) int64 peaks of each label.
        places: (P,) int64 place of each peak in the ranking of its label's logits before peaks,
            rising in each label; label by label.
        residuals: (P,) int64 what to add to the logits there, in steps of `frame.peak`.
        predicted: (B, r) int32 coefficients predicted from the means of images, None without.
    """

    frame: Frame
    coefficients: NDArray[np.int32]
    counts: NDArray[np.int64]
    places: NDArray[np.int64]
    residuals: NDArray[np.int64]
    predicted: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        """B, the number of labels."""
        return len(self.counts)

    def __getitem__(self, rows: slice) -> Compact:
        """Some labels that follow each other."""
        ends = np.concatenate([[0], np.cumsum(self.counts)])
        first, stop, _ = rows.indices(len(self))
        peaks = slice(ends[first], ends[stop])
        return Compact(
            self.frame, self.coefficients[rows], self.counts[rows], self.places[peaks],
            self.residuals[peaks], None if self.predicted is None else self.predicted[rows],
        )  # fmt: skip

    @property
    def coded(self) -> NDArray[np.int32]:
        """(B, r) what is stored of the coefficients."""
        if self.predicted is None:
            return self.coefficients
        coded: NDArray[np.int32] = (self.coefficients - self.predicted) >> FINE
        return coded

    @cached_property
    def peaks(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
        """(P,) rows, classes and logits (in units) of the peaks."""
        return self._peaks(self.frame.scores(self.coefficients))

    def _peaks(
        self, scores: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
        rows = np.repeat(np.arange(len(self.counts)), self.counts)
        classes = kernels().ranked_classes(scores, self.counts, self.places)
        return rows, classes, self.frame.raised(scores[rows, classes], self.residuals)

    def units(self) -> NDArray[np.int32]:
        """(B, C) logits in units of 2^-point."""
        frame, scores = self.frame, self.frame.scores(self.coefficients)
        _, classes, values = self._peaks(scores)
        full: NDArray[np.int32] = kernels().expand(
            scores, self.counts, classes, values, frame.tail, frame.shift
        )
        return full

    def dense(self) -> NDArray[np.float32]:
        """(B, C) logits."""
        return self.frame.logits(self.units())

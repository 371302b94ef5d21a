"""Compact labels of the vq codec: sums of codewords, not yet expanded to logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.compact import TransformLabels


@dataclass(frozen=True, eq=False)
class VqLabels(TransformLabels):
    """Compact labels without peaks, so that they expand as those of `transform` do.

    Attributes:
        codes: (B, n) int64 codes; None where only the coefficients were sent on.
    """

    codes: NDArray[np.int64] | None = None

    codec: ClassVar[str] = "vq"

    @classmethod
    def of(
        cls,
        basis: BasisTables,
        coefficients: NDArray[np.int32],
        predicted: NDArray[np.int32] | None,
        codes: NDArray[np.int64],
    ) -> VqLabels:
        """Labels of B sums of codewords; see the attributes."""
        none = np.zeros(0, np.int64)
        counts = np.zeros(len(coefficients), np.int64)
        return cls(basis, coefficients, counts, none, none, predicted, codes)

    def with_arrays(self, arrays: Sequence[NDArray[Any]]) -> VqLabels:
        """Compact labels in the same basis, built from arrays as `arrays` returns them."""
        return VqLabels(self.basis, *arrays)

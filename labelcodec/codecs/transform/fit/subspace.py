"""Principal axes of labels, by randomised subspace iteration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.principal_axes import principal_axes
from labelcodec.codecs.transform.basis_tables import most_rank
from labelcodec.codecs.transform.fit.sample import CELLS
from labelcodec.errors import DataError
from labelcodec.wording import counted

POWER = 4  # rounds of the subspace iteration
MATRIX_CLASSES = 4096  # most classes for which the covariance is held as a matrix
WHOLE_CLASSES = 1024  # most classes for which all axes are found at once, if many are wanted
MANY = 1 / 4  # of all axes


@dataclass(frozen=True, eq=False)
class Subspace:
    """Principal axes of centred labels.

    Attributes:
        mean: (C,) float64 mean label.
        axes: (C, r) orthonormal columns, by descending variance.
        variance: (r,) variance along each axis, in squared logits.
        deviation: standard deviation of one class's logits.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    variance: NDArray[np.float64]
    deviation: float

    def first(self, rank: int) -> Subspace:
        """The subspace of the first `rank` axes."""
        return replace(self, axes=self.axes[:, :rank], variance=self.variance[:rank])


class Scatter:
    """Covariance of centred labels as a linear operator.

    It is held as a matrix if there are few classes, and applied through the labels otherwise.
    """

    def __init__(self, centred: NDArray[np.float32]) -> None:
        """Take (N, C) labels less their own mean; they are referenced, not copied."""
        self.centred = centred
        self.mean = centred.mean(axis=0, dtype=np.float64)
        self.matrix: NDArray[np.float64] | None = None
        if centred.shape[1] <= min(MATRIX_CLASSES, 4 * len(centred)):
            self.matrix = self._sum(part.T @ part for part in self._parts())
            self.power = float(self.matrix.trace()) / centred.shape[1]
        else:
            squares = (np.einsum("ij,ij->", x, x, dtype=np.float64) for x in self._parts())
            self.power = float(sum(squares)) / centred.size

    def _parts(self) -> Iterator[NDArray[np.float32]]:
        """The labels less the mean label, in chunks that bound memory, in one array."""
        mean, rows = self.mean.astype(np.float32), max(1, CELLS // len(self.mean))
        room = np.empty_like(self.centred[:rows])
        for first in range(0, len(self.centred), rows):
            part = self.centred[first : first + rows]
            yield np.subtract(part, mean, out=room[: len(part)])

    def _sum(self, products: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
        total: Any = sum(product.astype(np.float64) for product in products)
        return np.asarray(total / len(self.centred))

    def times(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """(C, q) product of the covariance with a block (C, q) of columns."""
        if self.matrix is not None:
            return self.matrix @ block
        single = block.astype(np.float32)
        return self._sum(part.T @ (part @ single) for part in self._parts())


def fit_subspace(scatter: Scatter, rank: int, exact: bool = False) -> Subspace:
    """The `rank` axes of most variance; those of no variance are dropped.

    Args:
        scatter: second moments of the labels.
        rank: number of axes.
        exact: whether a large share of the axes of few classes is found by an eigendecomposition,
            which then is the faster way; else by block power iteration.

    Raises:
        DataError: fewer labels than the rank, or labels that do not differ.
    """
    labels, classes = scatter.centred.shape
    if rank > min(labels, most_rank(classes)):
        raise DataError(
            f"transform: rank {rank} is above {min(labels, most_rank(classes))}, the highest for "
            f"{counted(labels, 'label')} of {counted(classes, 'class')}"
        )
    is_small = scatter.matrix is not None and classes <= WHOLE_CLASSES
    if exact and is_small and rank > MANY * classes:
        assert scatter.matrix is not None
        variance, axes = np.linalg.eigh(scatter.matrix)
        axes, variance = axes[:, ::-1][:, :rank], variance[::-1][:rank]
    else:
        axes, variance = principal_axes(scatter.times, classes, rank, POWER)
    kept = variance > max(scatter.power * 1e-6, 1e-12)
    if not kept.any():
        raise DataError("transform: the labels do not differ, there is no basis to fit")
    return Subspace(scatter.mean, axes[:, kept], variance[kept], scatter.power**0.5)

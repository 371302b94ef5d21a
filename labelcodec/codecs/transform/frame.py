"""What the labels of a file share: mean, basis, scales and the correction of the tail (SPEC 9.1).

Logits are integers here, in units of 2^-point, so that every machine finds the same ranking: a
sum of products of integers does not depend on the order of the additions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs import columns
from labelcodec.codecs.transform import matrix
from labelcodec.codecs.transform.plain.symbols import MAX_COEFFICIENT
from labelcodec.entropy import varint
from labelcodec.errors import CorruptError

MAX_RANK = 1024
MAX_SCORE = 1 << 29
EXACT = 1 << 53  # float64 holds every integer up to here
EXACT_SINGLE = 1 << 24
MEAN_SHIFT = 8  # means are multiples of 2^8 units
TAIL = 48  # classes of distance to the largest logit
MIN_POINT, MAX_POINT = 1, 60
MAX_PEAK = 1 << 24
MAX_SHIFT = 28


@dataclass(frozen=True, eq=False)
class Frame:
    """The subspace that labels are expanded in.

    Attributes:
        point: a unit is 2^-point logits, 1..60.
        mean: (C,) int64 mean logits, in 2^8 units.
        basis: (C, r) int16 entries.
        scale: (r,) int64 units that a coefficient of 1 adds to a logit per unit of the entry.
        peak: units a peak's residual of 1 stands for.
        tail: (48,) int32 units to add to a logit that is no peak, by its distance to the label's
            largest in units of 2^shift.
        shift: distances are classed in units of 2^shift.
    """

    point: int
    mean: NDArray[np.int64]
    basis: NDArray[np.int16]
    scale: NDArray[np.int64]
    peak: int
    tail: NDArray[np.int32]
    shift: int

    def __getstate__(self) -> dict[str, Any]:
        """Without what is derived, which is larger than all the rest."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def classes(self) -> int:
        """Number of classes, C."""
        return len(self.basis)

    @property
    def rank(self) -> int:
        """Columns of the basis, r."""
        return int(self.basis.shape[1])

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the tables: equal for frames that expand labels alike."""
        return hashlib.sha256(b"".join(self.dump().values())).hexdigest()

    @cached_property
    def vectors(self) -> NDArray[np.float64]:
        """(r, C) what a coefficient of 1 adds to every logit, in units; whole numbers."""
        product: NDArray[np.int64] = self.basis * self.scale
        return np.ascontiguousarray(product.T.astype(np.float64))

    @property
    def step(self) -> float:
        """Step of the coefficients in logits: the length of the vector that is rounded least."""
        return float(np.linalg.norm(self.vectors[0]) * 2.0**-self.point)

    @cached_property
    def _single(self) -> NDArray[np.float32]:
        return self.vectors.astype(np.float32)

    @cached_property
    def _offset(self) -> NDArray[np.int32]:
        """(C,) means in units."""
        return (self.mean << MEAN_SHIFT).astype(np.int32)

    @cached_property
    def _reach(self) -> NDArray[np.float64]:
        """(r,) largest entry of each vector."""
        return np.asarray(np.abs(self.vectors).max(axis=1, initial=0))

    def scores(self, coefficients: NDArray[np.int32]) -> NDArray[np.int32]:
        """(B, C) logits without peaks in units, exact, then limited to 2^29.

        Floating-point products are used where every partial sum is an integer they hold exactly.
        """
        bound = float((np.abs(coefficients) @ self._reach).max(initial=0))
        vectors: NDArray[Any] = self._single if bound < EXACT_SINGLE else self.vectors
        sums = coefficients.astype(vectors.dtype) @ vectors
        scores: NDArray[Any] = sums.astype(np.int32 if bound < EXACT_SINGLE else np.int64)
        scores += self._offset
        return np.clip(scores, -MAX_SCORE, MAX_SCORE, out=scores).astype(np.int32, copy=False)

    def raised(self, scores: NDArray[np.int32], residuals: NDArray[np.int64]) -> NDArray[np.int32]:
        """Logits of peaks, in units."""
        sums = np.clip(scores + residuals * self.peak, -MAX_SCORE, MAX_SCORE)
        return np.asarray(sums, np.int32)

    def logits(self, units: NDArray[np.int32]) -> NDArray[np.float32]:
        """Units as logits."""
        found = units.astype(np.float32)
        found *= np.float32(2.0**-self.point)
        return found

    def dump(self) -> dict[str, bytes]:
        """Named parts for the side information."""
        numbers = (self.point, self.rank, self.peak, self.shift)
        return {
            "frame": b"".join(map(varint.encode, numbers))
            + columns.pack_ints(self.scale)
            + columns.pack_ints(self.tail)
            + columns.pack_ints(self.mean),
            "basis": matrix.dump(self.basis),
        }

    @classmethod
    def load(cls, parts: Mapping[str, bytes], classes: int) -> Frame:
        """Inverse of `dump`.

        Raises:
            CorruptError: malformed parts, or numbers that could leave exact arithmetic.
            KeyError: a part is missing.
        """
        data, position, numbers = parts["frame"], 0, []
        for _ in range(4):
            number, position = varint.decode(data, position)
            numbers.append(number)
        point, rank, peak, shift = numbers
        if not MIN_POINT <= point <= MAX_POINT or not 0 < rank <= most_rank(classes):
            raise CorruptError(f"a basis of rank {rank} for {classes} classes, point {point}")
        if not 0 < peak <= MAX_PEAK or shift > MAX_SHIFT:
            raise CorruptError("transform tables with an impossible step")
        scale, rest = columns.unpack_ints(memoryview(data)[position:], rank)
        tail, rest = columns.unpack_ints(rest, TAIL)
        mean, rest = columns.unpack_ints(rest, classes)
        if len(rest) or np.abs(tail).max() > MAX_SCORE or np.abs(mean).max() > MAX_SCORE >> 8:
            raise CorruptError("transform tables with impossible means or corrections")
        basis = matrix.load(memoryview(parts["basis"]), classes, rank, "basis entries")
        if (scale < 1).any() or (scale >= 1 << 31).any():
            raise CorruptError("transform tables with an impossible scale")
        reach = (np.abs(basis).max(axis=0).astype(float) * scale).sum() * MAX_COEFFICIENT
        if reach >= EXACT:
            raise CorruptError("a basis whose sums could not be exact")
        return cls(point, mean, basis, scale, peak, tail.astype(np.int32), shift)


def most_rank(classes: int) -> int:
    """The highest rank of a basis for so many classes."""
    return min(MAX_RANK, classes, matrix.MAX_ENTRIES // classes)

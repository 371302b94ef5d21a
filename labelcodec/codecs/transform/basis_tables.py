"""Basis tables of the transform codec: mean, basis, scales and tail correction (SPEC, section 9.1).

Logits are integers in units of 2^-point. A sum of products of integers does not depend on the
order of the additions, so every machine derives the same ranking of the classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform import matrix
from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.format import (
    BLOCK,
    MAX_COEFFICIENT,
    MAX_ENTRIES,
    MAX_ENTRY,
    MAX_PEAK,
    MAX_POINT,
    MAX_RANK,
    MAX_SCORE,
    MAX_SHIFT,
    MEAN_SHIFT,
    MIN_POINT,
    TAIL,
)
from labelcodec.entropy import packing, varint
from labelcodec.errors import CorruptError
from labelcodec.wording import counted

EXACT = 1 << 53  # float64 holds every integer up to this magnitude


@dataclass(frozen=True, eq=False)
class BasisTables:
    """The subspace in which labels are coded, shared by all labels of a file.

    Attributes:
        point: one unit is 2^-point logits; 1..60.
        mean: (C,) int64 mean logits, in multiples of 2^8 units.
        entries: (C, r) int16 basis matrix.
        scale: (r,) int64 units per basis entry: coefficient q adds q * scale * entry to a logit.
        peak: units per step of a peak's residual.
        tail: (48,) int32 correction in units of a class that is no peak, indexed by its distance
            to the label's largest logit.
        shift: that distance is counted in steps of 2^shift units.
    """

    point: int
    mean: NDArray[np.int64]
    entries: NDArray[np.int16]
    scale: NDArray[np.int64]
    peak: int
    tail: NDArray[np.int32]
    shift: int

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the fields only: cached arrays are larger than all of them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def classes(self) -> int:
        """Number of classes, C."""
        return len(self.entries)

    @property
    def rank(self) -> int:
        """Number of basis columns, r."""
        return int(self.entries.shape[1])

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the serialized tables; equal tables expand labels identically."""
        return hashlib.sha256(b"".join(self.to_parts().values())).hexdigest()

    @cached_property
    def vectors(self) -> NDArray[np.float64]:
        """(r, C) float64 basis vectors in units per coefficient; all values are integers."""
        product: NDArray[np.int64] = self.entries * self.scale
        return np.ascontiguousarray(product.T.astype(np.float64))

    @property
    def step(self) -> float:
        """Quantisation step in logits: the length of the first basis vector."""
        return float(np.linalg.norm(self.vectors[0]) * 2.0**-self.point)

    @cached_property
    def _offset(self) -> NDArray[np.int32]:
        """(C,) means in units."""
        return (self.mean << MEAN_SHIFT).astype(np.int32)

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int16], NDArray[np.int32]] | None:
        """Vectors by pairs and their largest magnitudes, for `scored`; None if 16 bits are few."""
        vectors = (self.entries * self.scale).T
        reach = np.abs(vectors).max(axis=1, initial=0)
        if reach.max() > MAX_ENTRY:
            return None
        padded = np.zeros((-(-self.rank // 2), 2, -(-self.classes // BLOCK) * BLOCK), np.int16)
        padded.reshape(-1, padded.shape[2])[: self.rank, : self.classes] = vectors
        return np.ascontiguousarray(padded.transpose(0, 2, 1)), reach.astype(np.int32)

    def scores(self, coefficients: NDArray[np.int32]) -> NDArray[np.int32]:
        """Logits in units before peaks are applied, clipped to ±2^29.

        The products and sums are of integers, or of float64 where these hold every partial sum.

        Args:
            coefficients: (B, r) int32 coefficients.

        Returns:
            (B, C) int32 scores.
        """
        scores: NDArray[np.int32]
        if self._pairs is not None:
            scores, status = kernels().scored(coefficients, *self._pairs, self._offset)
            if not status:
                return scores
        scores = kernels().clipped(coefficients.astype(np.float64) @ self.vectors, self._offset)
        return scores

    def raised(self, scores: NDArray[np.int32], residuals: NDArray[np.int64]) -> NDArray[np.int32]:
        """Logits of peaks, in units.

        Args:
            scores: (P,) int32 scores of the corrected classes.
            residuals: (P,) int64 residuals in steps of `peak`.

        Returns:
            (P,) int32 corrected logits, clipped to ±2^29.
        """
        sums = np.clip(scores + residuals * self.peak, -MAX_SCORE, MAX_SCORE)
        return np.asarray(sums, np.int32)

    def logits(self, units: NDArray[np.int32]) -> NDArray[np.float32]:
        """Convert integer units to float32 logits."""
        logits: NDArray[np.float32] = kernels().logits(units, 2.0**-self.point)
        return logits

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to the named parts `frame` and `basis` of the side information."""
        numbers = (self.point, self.rank, self.peak, self.shift)
        return {
            "frame": b"".join(map(varint.encode, numbers))
            + packing.pack_ints(self.scale)
            + packing.pack_ints(self.tail)
            + packing.pack_ints(self.mean),
            "basis": matrix.to_bytes(self.entries),
        }

    @classmethod
    def from_parts(cls, parts: Mapping[str, bytes], classes: int) -> BasisTables:
        """Deserialize what `to_parts` wrote.

        Args:
            parts: the named parts of the side information.
            classes: C.

        Raises:
            CorruptError: malformed parts, or tables for which arithmetic would not be exact.
            KeyError: a part is missing.
        """
        data, position, numbers = parts["frame"], 0, []
        for _ in range(4):
            number, position = varint.decode(data, position)
            numbers.append(number)
        point, rank, peak, shift = numbers
        if not MIN_POINT <= point <= MAX_POINT or not 0 < rank <= most_rank(classes):
            raise CorruptError(
                f"a basis of rank {rank} for {counted(classes, 'class')}, point {point}"
            )
        if not 0 < peak <= MAX_PEAK or shift > MAX_SHIFT:
            raise CorruptError("transform tables with an impossible step")
        scale, rest = packing.unpack_ints(memoryview(data)[position:], rank)
        tail, rest = packing.unpack_ints(rest, TAIL)
        mean, rest = packing.unpack_ints(rest, classes)
        if len(rest) or np.abs(tail).max() > MAX_SCORE or np.abs(mean).max() > MAX_SCORE >> 8:
            raise CorruptError("transform tables with impossible means or corrections")
        basis = matrix.from_bytes(memoryview(parts["basis"]), classes, rank, "basis entries")
        if (scale < 1).any() or (scale >= 1 << 31).any():
            raise CorruptError("transform tables with an impossible scale")
        reach = (np.abs(basis).max(axis=0).astype(float) * scale).sum() * MAX_COEFFICIENT
        if reach >= EXACT:
            raise CorruptError("a basis whose sums could not be exact")
        return cls(point, mean, basis, scale, peak, tail.astype(np.int32), shift)


def most_rank(classes: int) -> int:
    """The highest rank that a basis for `classes` classes may have."""
    return min(MAX_RANK, classes, MAX_ENTRIES // classes)

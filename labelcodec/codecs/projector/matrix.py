"""Small matrices as bytes: float16, or int8 with a scale per row (SPEC, section 16.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.projector.format import FLOAT16, INT8, MAX_VALUES
from labelcodec.errors import CorruptError, DataError

LARGEST = 127


@dataclass(frozen=True, eq=False)
class Matrix:
    """A stored matrix.

    Attributes:
        entries: (m, n) int8 or float16.
        scales: (m,) float32 scale of each row; None with float16.
    """

    entries: NDArray[np.int8] | NDArray[np.float16]
    scales: NDArray[np.float32] | None

    @classmethod
    def of(cls, values: NDArray[np.floating], form: int) -> Matrix:
        """Round values, (m, n), to what a form can hold.

        Raises:
            DataError: values that are not finite, or too large for the form.
        """
        if form == FLOAT16:
            with np.errstate(over="ignore"):
                matrix = cls(values.astype(np.float16), None)
        else:
            peak = np.abs(values).max(axis=1, initial=0.0)
            scales = (peak / LARGEST).astype(np.float32)
            safe = np.where(scales > 0, scales, np.float32(1))[:, None]
            with np.errstate(invalid="ignore"):
                entries = np.rint(values / safe).clip(-LARGEST, LARGEST)
            matrix = cls(np.nan_to_num(entries).astype(np.int8), scales)
        if not (np.isfinite(values).all() and np.isfinite(matrix.values()).all()):
            raise DataError("projector: weights that are not finite, or too large to be stored")
        return matrix

    def values(self) -> NDArray[np.float32]:
        """(m, n) float32 values; in int8 they are the rounded products of entry and scale."""
        values = self.entries.astype(np.float32)
        return values if self.scales is None else values * self.scales[:, None]

    def to_bytes(self) -> bytes:
        """Scales, if any, and entries row by row."""
        scales = b"" if self.scales is None else self.scales.astype("<f4").tobytes()
        entries = self.entries.astype("i1" if self.scales is not None else "<f2")
        return scales + entries.tobytes()

    @classmethod
    def from_bytes(
        cls, data: memoryview, rows: int, columns: int, form: int
    ) -> tuple[Matrix, memoryview]:
        """Deserialize a matrix; also returns the bytes behind it.

        Raises:
            CorruptError: too many entries, too few bytes, or values that are not finite.
        """
        size = matrix_bytes(rows, columns, form)
        if rows * columns > MAX_VALUES or size > len(data):
            raise CorruptError(f"projector: a matrix of {rows} x {columns} in {len(data)} bytes")
        split = 4 * rows if form == INT8 else 0
        scales = np.frombuffer(data[:split], "<f4").astype(np.float32) if split else None
        stored = data[split:size]
        entries: NDArray[np.int8] | NDArray[np.float16]
        if form == INT8:
            entries = np.frombuffer(stored, np.int8)
        else:
            entries = np.frombuffer(stored, "<f2").astype(np.float16)
        matrix = cls(entries.reshape(rows, columns), scales)
        bad_scales = scales is not None and not (np.isfinite(scales) & (scales >= 0)).all()
        with np.errstate(over="ignore", invalid="ignore"):
            if bad_scales or not np.isfinite(matrix.values()).all():
                raise CorruptError("projector: a matrix has values that are not finite")
        return matrix, data[size:]


def matrix_bytes(rows: int, columns: int, form: int) -> int:
    """Bytes of a matrix before compression."""
    return rows * (4 + columns) if form == INT8 else 2 * rows * columns

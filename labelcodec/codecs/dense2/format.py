"""Constants and tables of the dense2 codec's byte format (SPEC, section 14)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Precision
from labelcodec.codecs.float_bits import LAYOUTS

PLAIN, CODED = 0, 1  # first byte of the label stream
MAX_RANK = 64
MAX_ENTRIES = 1 << 24  # entries of the basis
MAX_WEIGHT = (1 << 15) - 1  # magnitude of a coefficient times its scale
MAX_MEAN = 1 << 29
MAX_SHIFT = 24
MAX_CONTEXTS = 64
MAX_THRESHOLD = 1 << 12  # magnitude; in half cells
MAX_FIRST = 1 << 20  # magnitude of the first offset that has a symbol
MAX_SYMBOLS = 254  # offsets in a table; zero and the escape are not counted
MAX_OCTAVE = 20  # of a cell: its number has at most 21 bits
MAX_GAP = 16  # octaves below the first cell that are not escaped
ZERO = 0  # the symbol of +0


@dataclass(frozen=True, eq=False)
class CellModel:
    """How values are predicted, and cut into cells whose offsets are coded.

    Attributes:
        precision: type of the values.
        basis: (r, C) int8 entries; a label's prediction is the sum of its r weights times these.
        mean: (C,) int32, which the prediction starts from.
        shift: 2^shift units of the prediction are the width of a cell.
        exponent: exponent field of a float that is the width of a cell.
        thresholds: (K - 1,) int32 rising predictions in half cells, at which contexts begin.
        first: offset from the predicted cell that symbol 1 stands for.
    """

    precision: Precision
    basis: NDArray[np.int8]
    mean: NDArray[np.int32]
    shift: int
    exponent: int
    thresholds: NDArray[np.int32]
    first: int

    @cached_property
    def columns(self) -> NDArray[np.int16]:
        """(C, n) basis by class, padded with zeros to a multiple of 16 coefficients."""
        rank, classes = self.basis.shape
        padded = np.zeros((classes, -(-rank // 16) * 16), np.int16)
        padded[:, :rank] = self.basis.T
        return padded

    @cached_property
    def context_of(self) -> NDArray[np.uint8]:
        """Contexts of -4097..4097 half cells; beyond are those at the ends."""
        halves = np.arange(-MAX_THRESHOLD - 1, MAX_THRESHOLD + 2)
        contexts: NDArray[Any] = np.searchsorted(self.thresholds, halves, side="right")
        return contexts.astype(np.uint8)

    @property
    def width(self) -> int:
        """Bits of a value, W."""
        return LAYOUTS[self.precision].width

    @property
    def mantissa(self) -> int:
        """Bits of its mantissa, M."""
        return LAYOUTS[self.precision].mantissa

"""Measured size and fidelity of the topk codec, used by its cost model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SIDE, SIDE_PER_CLASS = 900, 1.6  # bytes of the side information
SECONDS = 3.04  # of CPU time per gigabyte of source


@dataclass(frozen=True)
class TopKRow:
    """One measured encode.

    Attributes:
        k: number of classes kept.
        index: bytes per label for classes.
        values: bytes per label for values.
        tv4: mean total variation to the full labels at temperature 4.
    """

    k: int
    index: float
    values: float
    tv4: float


# Rows by quantisation step in logits; None is bit-exact.
TOPK: Mapping[float | None, tuple[TopKRow, ...]] = {
    None: (
        TopKRow(1, 1.3419, 1.681, 0.9878),
        TopKRow(2, 2.5766, 2.7338, 0.9803),
        TopKRow(5, 6.0429, 5.4026, 0.9634),
        TopKRow(10, 11.3092, 9.228, 0.9418),
        TopKRow(20, 22.0837, 15.9836, 0.9078),
        TopKRow(50, 54.837, 33.206, 0.832),
        TopKRow(100, 110.5255, 57.4391, 0.7379),
        TopKRow(200, 224.374, 99.0765, 0.5961),
        TopKRow(400, 447.9935, 176.1065, 0.3891),
        TopKRow(800, 880.564, 335.9339, 0.1036),
    ),
    0.03125: (
        TopKRow(1, 1.3419, 1.2671, 0.9878),
        TopKRow(2, 2.5634, 2.0881, 0.9803),
        TopKRow(5, 6.0199, 3.9832, 0.9634),
        TopKRow(10, 11.2166, 6.4478, 0.9418),
        TopKRow(20, 21.7389, 10.3439, 0.9078),
        TopKRow(50, 53.033, 18.7197, 0.832),
        TopKRow(100, 104.4657, 28.4852, 0.7379),
        TopKRow(200, 205.2074, 42.4276, 0.5961),
        TopKRow(400, 399.0341, 62.3798, 0.3891),
        TopKRow(800, 743.7276, 91.3918, 0.1036),
    ),
    0.125: (
        TopKRow(1, 1.3419, 1.0169, 0.9878),
        TopKRow(2, 2.5614, 1.5926, 0.9803),
        TopKRow(5, 5.9633, 2.7914, 0.9634),
        TopKRow(10, 10.9942, 4.1791, 0.9418),
        TopKRow(20, 20.9491, 6.1754, 0.9078),
        TopKRow(50, 49.3932, 10.0581, 0.832),
        TopKRow(100, 94.1001, 14.3067, 0.7379),
        TopKRow(200, 178.174, 20.1416, 0.5961),
        TopKRow(400, 333.6369, 28.171, 0.3891),
        TopKRow(800, 594.6978, 38.9876, 0.1036),
    ),
    0.5: (
        TopKRow(1, 1.3419, 0.7677, 0.9878),
        TopKRow(2, 2.5426, 1.1162, 0.9803),
        TopKRow(5, 5.7915, 1.7401, 0.9634),
        TopKRow(10, 10.3852, 2.3796, 0.9418),
        TopKRow(20, 19.0941, 3.257, 0.9078),
        TopKRow(50, 42.572, 4.8592, 0.832),
        TopKRow(100, 77.5785, 6.5266, 0.7379),
        TopKRow(200, 140.4634, 8.7312, 0.5961),
        TopKRow(400, 251.1103, 11.7198, 0.3891),
        TopKRow(800, 418.9294, 15.3152, 0.1036),
    ),
    2: (
        TopKRow(1, 1.3419, 0.5164, 0.9878),
        TopKRow(2, 2.4984, 0.6914, 0.9803),
        TopKRow(5, 5.4867, 0.9615, 0.9634),
        TopKRow(10, 9.449, 1.2267, 0.9418),
        TopKRow(20, 16.6211, 1.5768, 0.9078),
        TopKRow(50, 34.7184, 2.1672, 0.832),
        TopKRow(100, 60.0607, 2.796, 0.7379),
        TopKRow(200, 102.5286, 3.65, 0.5961),
        TopKRow(400, 169.2971, 4.8444, 0.3892),
        TopKRow(800, 243.6804, 5.8706, 0.1231),
    ),
}

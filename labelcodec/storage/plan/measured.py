"""Figures the planner starts from: real ImageNet-1K labels, C = 1000, 10 000 labels, batch 128.

The tables are those of benchmarks/results/planner.json, bytes a label; a test holds them to it. The
other constants are read off the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLASSES, LABELS = 1000, 10_000  # of the reference
CHECKED_CLASSES = (100, 1000)  # the rules were held to files of as many classes, no others

# Bytes of a whole file and of each batch that hold neither labels nor F.
FRAMING, FRAMING_BATCH = 730, 38
CROP = 3.24  # bytes a sample, of source images of 224 x 224 pixels
BOX = 6.1  # bytes a CutMix box
COLUMN_HEAD = 2  # bytes in front of a packed column

DENSE_VALUE = 1.4314  # bytes a float16 logit
DENSE_SIDE, DENSE_SIDE_CLASS = 3050, 3.2  # bytes, and bytes a class
TOPK_SIDE, TOPK_SIDE_CLASS = 900, 1.6


@dataclass(frozen=True)
class TopKRow:
    """Top-k labels: bytes a label for classes and values, mean total variation at tau = 4."""

    k: int
    index: float
    values: float
    tv4: float


@dataclass(frozen=True)
class TransformRow:
    """The transform codec at a budget; `side` is in bytes a file, the others as in `TopKRow`."""

    budget: float
    index: float
    values: float
    side: int
    tv4: float


# By step; None is bit for bit.
TOPK: Mapping[float | None, tuple[TopKRow, ...]] = {
    None: (
        TopKRow(5, 6.0429, 5.4026, 0.9634),
        TopKRow(10, 11.3092, 9.228, 0.9418),
        TopKRow(20, 22.0291, 15.9606, 0.9078),
        TopKRow(50, 54.7432, 33.1572, 0.832),
        TopKRow(100, 110.3305, 57.3419, 0.7379),
        TopKRow(200, 223.9966, 98.8819, 0.5961),
        TopKRow(400, 447.2359, 175.7219, 0.3891),
        TopKRow(800, 880.564, 335.9339, 0.1036),
    ),
    0.03125: (
        TopKRow(5, 6.0199, 3.9832, 0.9634),
        TopKRow(10, 11.2166, 6.4478, 0.9418),
        TopKRow(20, 21.6931, 10.3203, 0.9078),
        TopKRow(50, 52.9384, 18.6727, 0.832),
        TopKRow(100, 104.2731, 28.3888, 0.7379),
        TopKRow(200, 204.8234, 42.2374, 0.5961),
        TopKRow(400, 398.2757, 61.9992, 0.3891),
        TopKRow(800, 743.7276, 91.3918, 0.1036),
    ),
    0.125: (
        TopKRow(5, 5.9633, 2.7914, 0.9634),
        TopKRow(10, 10.9942, 4.1791, 0.9418),
        TopKRow(20, 20.9033, 6.1512, 0.9078),
        TopKRow(50, 49.2988, 10.0093, 0.832),
        TopKRow(100, 93.9069, 14.2099, 0.7379),
        TopKRow(200, 177.7904, 19.9488, 0.5961),
        TopKRow(400, 332.8715, 27.7948, 0.3891),
        TopKRow(800, 594.6978, 38.9876, 0.1036),
    ),
    0.5: (
        TopKRow(5, 5.7915, 1.7401, 0.9634),
        TopKRow(10, 10.3852, 2.3796, 0.9418),
        TopKRow(20, 19.0475, 3.2314, 0.9078),
        TopKRow(50, 42.4792, 4.8104, 0.832),
        TopKRow(100, 77.3855, 6.4332, 0.7379),
        TopKRow(200, 140.0772, 8.5452, 0.5961),
        TopKRow(400, 250.3539, 11.3416, 0.3891),
        TopKRow(800, 418.9294, 15.3152, 0.1036),
    ),
    2: (
        TopKRow(5, 5.4867, 0.9615, 0.9634),
        TopKRow(10, 9.449, 1.2267, 0.9418),
        TopKRow(20, 16.5735, 1.5534, 0.9078),
        TopKRow(50, 34.6228, 2.1198, 0.832),
        TopKRow(100, 59.8685, 2.7008, 0.7379),
        TopKRow(200, 102.1412, 3.458, 0.5961),
        TopKRow(400, 168.5391, 4.4628, 0.3892),
        TopKRow(800, 243.6804, 5.8706, 0.1231),
    ),
}

TRANSFORM = (
    TransformRow(15.0, 5.3791, 8.0624, 14850, 0.1038),
    TransformRow(20.0, 6.114, 11.7477, 20266, 0.0946),
    TransformRow(30.0, 6.7053, 19.855, 32922, 0.0814),
    TransformRow(40.0, 9.8434, 26.0941, 37025, 0.0755),
    TransformRow(60.0, 13.2189, 41.4423, 54279, 0.0642),
    TransformRow(90.0, 17.5683, 64.6442, 80053, 0.053),
    TransformRow(130.0, 17.5642, 98.5246, 138546, 0.0419),
    TransformRow(200.0, 16.4655, 160.4717, 233093, 0.0301),
)

"""Figures the planner starts from: real ImageNet-1K labels, C = 1000, 10 000 labels, batch 128.

The tables are those of benchmarks/results/planner.json, bytes a label; a test holds them to it. The
other constants are read off the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLASSES, LABELS, IMAGES = 1000, 10_000, 1000  # of the reference
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
    """What the transform codec chose when it was asked for something.

    Attributes:
        rank: axes.
        index, values: bytes a label, for the peaks' places and for all else of a label.
        basis, means, rest: bytes of the side information; the means are of 1000 images.
        tv4, kl1: mean distance to the full labels.
    """

    rank: int
    index: float
    values: float
    basis: int
    means: int
    rest: int
    tv4: float
    kl1: float


# By step; None is bit for bit.
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

# By what was asked for, from least bytes up; labels predicted from means of their images, or not.
MEANS: Mapping[str, tuple[TransformRow, ...]] = {
    "bytes": (
        TransformRow(29, 3.767, 3.777, 10854, 9551, 3440, 0.10736, 0.33571),
        TransformRow(46, 4.751, 6.645, 17329, 14263, 3755, 0.09572, 0.22287),
        TransformRow(59, 5.908, 9.624, 22305, 17581, 4000, 0.08859, 0.16465),
        TransformRow(88, 7.651, 15.935, 33354, 24700, 4212, 0.07808, 0.10609),
        TransformRow(134, 9.554, 26.158, 51132, 35089, 4563, 0.06727, 0.06632),
        TransformRow(174, 13.604, 39.63, 66754, 43998, 4813, 0.05858, 0.03972),
        TransformRow(236, 16.973, 57.52, 91038, 56278, 5183, 0.0503, 0.02482),
        TransformRow(345, 20.072, 87.514, 134506, 75728, 6181, 0.04082, 0.01511),
        TransformRow(657, 16.836, 143.791, 262816, 113453, 7074, 0.02896, 0.00759),
    ),
    "tv4": (
        TransformRow(26, 0.46, 2.262, 9618, 8580, 2000, 0.11865, 0.92756),
        TransformRow(52, 1.385, 5.589, 19481, 15792, 3047, 0.0997, 0.43889),
        TransformRow(88, 2.654, 11.294, 33368, 24733, 3848, 0.08451, 0.21243),
        TransformRow(156, 3.518, 22.707, 59694, 39822, 4389, 0.06967, 0.1137),
        TransformRow(277, 4.652, 45.074, 107380, 63933, 5639, 0.0549, 0.05573),
        TransformRow(452, 6.634, 81.289, 177858, 92058, 6771, 0.04179, 0.02558),
    ),
    "kl1": (
        TransformRow(20, 3.904, 2.626, 7322, 6822, 3319, 0.11571, 0.39889),
        TransformRow(32, 5.316, 5.188, 11955, 10236, 3585, 0.10252, 0.24983),
        TransformRow(49, 7.746, 9.939, 18502, 14929, 3903, 0.09012, 0.14965),
        TransformRow(75, 10.689, 17.755, 28443, 21566, 4101, 0.07828, 0.09015),
        TransformRow(123, 14.282, 31.625, 46803, 32855, 4455, 0.06524, 0.04987),
        TransformRow(222, 17.79, 56.547, 85469, 53564, 5144, 0.05109, 0.02508),
    ),
}

NO_MEANS: Mapping[str, tuple[TransformRow, ...]] = {
    "bytes": (
        TransformRow(23, 3.579, 5.114, 8551, 0, 3638, 0.11354, 0.39346),
        TransformRow(32, 5.35, 8.036, 11908, 0, 3861, 0.10321, 0.24933),
        TransformRow(46, 6.017, 11.751, 17414, 0, 4028, 0.09379, 0.18484),
        TransformRow(73, 7.627, 19.036, 27566, 0, 4219, 0.08223, 0.11815),
        TransformRow(109, 10.098, 30.112, 41359, 0, 4409, 0.07111, 0.07259),
        TransformRow(151, 13.672, 44.962, 57645, 0, 4570, 0.06142, 0.04371),
        TransformRow(215, 16.422, 64.41, 82776, 0, 5015, 0.05235, 0.02717),
        TransformRow(345, 18.163, 97.171, 134506, 0, 5883, 0.04175, 0.0159),
        TransformRow(606, 17.374, 154.216, 241207, 0, 7392, 0.03036, 0.00823),
    ),
    "tv4": (
        TransformRow(26, 0.463, 4.744, 9647, 0, 2350, 0.11896, 0.92987),
        TransformRow(51, 1.645, 9.856, 19166, 0, 3341, 0.09954, 0.40079),
        TransformRow(86, 2.856, 17.42, 32587, 0, 3955, 0.08454, 0.20227),
        TransformRow(144, 4.849, 31.207, 55007, 0, 4442, 0.06979, 0.09709),
        TransformRow(277, 4.359, 58.891, 107380, 0, 5437, 0.05472, 0.05566),
        TransformRow(452, 5.889, 98.709, 177858, 0, 6831, 0.04185, 0.02664),
    ),
    "kl1": (
        TransformRow(16, 4.496, 4.13, 5853, 0, 3610, 0.11986, 0.40192),
        TransformRow(30, 5.604, 7.799, 11159, 0, 3804, 0.10422, 0.25048),
        TransformRow(48, 7.806, 13.741, 18005, 0, 4042, 0.09101, 0.15032),
        TransformRow(68, 11.366, 22.7, 25684, 0, 4180, 0.07978, 0.09029),
        TransformRow(107, 15.477, 38.446, 40705, 0, 4406, 0.06686, 0.04992),
        TransformRow(211, 18.246, 67.383, 81118, 0, 5004, 0.05161, 0.02503),
    ),
}

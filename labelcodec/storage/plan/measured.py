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
        TransformRow(29, 3.7666, 3.7771, 10854, 9551, 3440, 0.10736, 0.33571),
        TransformRow(39, 5.5506, 6.309, 14683, 12333, 3788, 0.09803, 0.21889),
        TransformRow(59, 5.8793, 9.538, 22260, 17590, 4051, 0.08875, 0.16571),
        TransformRow(90, 7.4581, 15.9773, 34091, 25175, 4228, 0.07787, 0.10657),
        TransformRow(134, 9.5538, 26.1578, 51132, 35089, 4563, 0.06727, 0.06632),
        TransformRow(164, 14.4339, 39.3171, 62915, 41923, 4710, 0.05918, 0.03935),
        TransformRow(234, 17.1719, 57.366, 90094, 55956, 5205, 0.05043, 0.02481),
        TransformRow(381, 17.8959, 87.5745, 148950, 81585, 6381, 0.04014, 0.01482),
        TransformRow(606, 17.4828, 133.769, 241207, 109483, 7884, 0.03055, 0.00838),
    ),
    "tv4": (
        TransformRow(26, 0.46, 2.2623, 9618, 8580, 2000, 0.11865, 0.92756),
        TransformRow(52, 1.3854, 5.5894, 19481, 15792, 3047, 0.0997, 0.43889),
        TransformRow(88, 2.6544, 11.2945, 33368, 24733, 3848, 0.08451, 0.21243),
        TransformRow(156, 3.5175, 22.7066, 59694, 39822, 4389, 0.06967, 0.1137),
        TransformRow(275, 4.8811, 45.0167, 106601, 63641, 5653, 0.05488, 0.0545),
        TransformRow(466, 5.2384, 82.2324, 183458, 93920, 6755, 0.04179, 0.02822),
    ),
    "kl1": (
        TransformRow(20, 3.9041, 2.6255, 7322, 6822, 3319, 0.11571, 0.39889),
        TransformRow(32, 5.3164, 5.1879, 11955, 10236, 3585, 0.10252, 0.24983),
        TransformRow(49, 7.7458, 9.9391, 18502, 14929, 3903, 0.09012, 0.14965),
        TransformRow(75, 10.6887, 17.7553, 28443, 21566, 4101, 0.07828, 0.09015),
        TransformRow(123, 14.2821, 31.6246, 46803, 32855, 4455, 0.06524, 0.04987),
        TransformRow(196, 19.9871, 57.1713, 75390, 48419, 4954, 0.05189, 0.02492),
    ),
}

NO_MEANS: Mapping[str, tuple[TransformRow, ...]] = {
    "bytes": (
        TransformRow(20, 4.1158, 4.7561, 7394, 0, 3680, 0.11559, 0.38477),
        TransformRow(35, 4.8336, 8.4181, 13156, 0, 3924, 0.10168, 0.25297),
        TransformRow(46, 6.016, 11.7481, 17412, 0, 4006, 0.0938, 0.18482),
        TransformRow(73, 7.6271, 19.0363, 27566, 0, 4219, 0.08223, 0.11815),
        TransformRow(106, 10.4348, 29.9129, 40222, 0, 4408, 0.07138, 0.07198),
        TransformRow(151, 13.6719, 44.9616, 57645, 0, 4570, 0.06142, 0.04371),
        TransformRow(196, 18.1116, 63.731, 75390, 0, 4942, 0.05308, 0.02674),
        TransformRow(353, 17.5555, 97.5434, 137806, 0, 6003, 0.04159, 0.01592),
        TransformRow(606, 17.3742, 154.216, 241207, 0, 7392, 0.03036, 0.00823),
    ),
    "tv4": (
        TransformRow(26, 0.463, 4.7438, 9647, 0, 2350, 0.11896, 0.92987),
        TransformRow(51, 1.6451, 9.8556, 19166, 0, 3341, 0.09954, 0.40079),
        TransformRow(86, 2.8564, 17.4197, 32587, 0, 3955, 0.08454, 0.20227),
        TransformRow(144, 4.8495, 31.2066, 55007, 0, 4442, 0.06979, 0.09709),
        TransformRow(286, 3.3763, 59.7735, 110939, 0, 5123, 0.05473, 0.06148),
        TransformRow(466, 4.6457, 100.139, 183458, 0, 6850, 0.04179, 0.02922),
    ),
    "kl1": (
        TransformRow(16, 4.4959, 4.1296, 5853, 0, 3610, 0.11986, 0.40192),
        TransformRow(30, 5.6042, 7.7992, 11159, 0, 3804, 0.10422, 0.25048),
        TransformRow(48, 7.8057, 13.7411, 18005, 0, 4042, 0.09101, 0.15032),
        TransformRow(68, 11.3657, 22.7003, 25684, 0, 4180, 0.07978, 0.09029),
        TransformRow(107, 15.477, 38.4458, 40705, 0, 4406, 0.06686, 0.04992),
        TransformRow(196, 19.4177, 66.8939, 75390, 0, 4939, 0.05218, 0.02511),
    ),
}

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
        TransformRow(89, 7.5489, 15.927, 33712, 24995, 4236, 0.07799, 0.10635),
        TransformRow(134, 9.5538, 26.1578, 51132, 35089, 4563, 0.06727, 0.06632),
        TransformRow(166, 14.2884, 39.4568, 63714, 42438, 4650, 0.05902, 0.03936),
        TransformRow(234, 17.1719, 57.366, 90094, 55956, 5205, 0.05043, 0.02481),
        TransformRow(376, 18.2908, 87.7939, 147045, 80807, 6574, 0.04017, 0.01473),
        TransformRow(652, 16.8861, 142.653, 260598, 113054, 7634, 0.02911, 0.00767),
    ),
    "tv4": (
        TransformRow(26, 0.4542, 2.2611, 9613, 8581, 2007, 0.11867, 0.9306),
        TransformRow(52, 1.3782, 5.5942, 19493, 15865, 3029, 0.09967, 0.44016),
        TransformRow(88, 2.6544, 11.2945, 33368, 24733, 3848, 0.08451, 0.21243),
        TransformRow(156, 3.5175, 22.7066, 59694, 39822, 4389, 0.06967, 0.1137),
        TransformRow(272, 5.405, 44.9948, 105330, 63058, 5221, 0.05476, 0.05211),
        TransformRow(446, 7.3368, 80.9343, 175316, 91306, 6661, 0.04178, 0.02449),
    ),
    "kl1": (
        TransformRow(20, 3.9041, 2.6255, 7322, 6822, 3319, 0.11571, 0.39889),
        TransformRow(32, 5.3164, 5.1879, 11955, 10236, 3585, 0.10252, 0.24983),
        TransformRow(49, 7.7458, 9.9391, 18502, 14929, 3903, 0.09012, 0.14965),
        TransformRow(75, 10.6887, 17.7553, 28443, 21566, 4101, 0.07828, 0.09015),
        TransformRow(123, 14.2821, 31.6246, 46803, 32855, 4455, 0.06524, 0.04987),
        TransformRow(227, 17.4696, 56.7697, 87421, 54528, 5126, 0.05084, 0.02505),
    ),
}

NO_MEANS: Mapping[str, tuple[TransformRow, ...]] = {
    "bytes": (
        TransformRow(21, 3.9763, 4.7931, 7726, 0, 3666, 0.11528, 0.38859),
        TransformRow(36, 4.7397, 8.4849, 13511, 0, 3924, 0.1014, 0.25426),
        TransformRow(48, 5.8568, 11.8569, 18052, 0, 4015, 0.09347, 0.18582),
        TransformRow(70, 7.8572, 18.9524, 26586, 0, 4193, 0.08245, 0.11751),
        TransformRow(107, 10.3133, 30.0303, 40640, 0, 4401, 0.07127, 0.07203),
        TransformRow(151, 13.6719, 44.9616, 57645, 0, 4570, 0.06142, 0.04371),
        TransformRow(202, 17.678, 63.7326, 77500, 0, 4978, 0.0529, 0.02689),
        TransformRow(357, 17.2717, 97.8577, 139424, 0, 6058, 0.0415, 0.01594),
        TransformRow(629, 16.0839, 156.451, 250855, 0, 7873, 0.03001, 0.00825),
    ),
    "tv4": (
        TransformRow(26, 0.463, 4.7438, 9647, 0, 2350, 0.11896, 0.92987),
        TransformRow(50, 1.7521, 9.793, 18864, 0, 3427, 0.09951, 0.39025),
        TransformRow(86, 2.8564, 17.4197, 32587, 0, 3955, 0.08454, 0.20227),
        TransformRow(144, 4.8495, 31.2066, 55007, 0, 4442, 0.06979, 0.09709),
        TransformRow(279, 4.073, 59.0831, 108227, 0, 5409, 0.05474, 0.05726),
        TransformRow(439, 7.6781, 98.0456, 172335, 0, 6444, 0.04171, 0.02362),
    ),
    "kl1": (
        TransformRow(16, 4.4959, 4.1296, 5853, 0, 3610, 0.11986, 0.40192),
        TransformRow(30, 5.6042, 7.7992, 11159, 0, 3804, 0.10422, 0.25048),
        TransformRow(46, 7.9009, 13.6428, 17417, 0, 4052, 0.09132, 0.15047),
        TransformRow(68, 11.3657, 22.7003, 25684, 0, 4180, 0.07978, 0.09029),
        TransformRow(107, 15.477, 38.4458, 40705, 0, 4406, 0.06686, 0.04992),
        TransformRow(223, 17.3825, 68.1293, 85845, 0, 5030, 0.05108, 0.02504),
    ),
}

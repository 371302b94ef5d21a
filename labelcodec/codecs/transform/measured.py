"""Measured size and fidelity of the transform codec, used by its cost model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SECONDS = 29.57  # of CPU time per gigabyte of source


@dataclass(frozen=True)
class TransformRow:
    """One measured encode.

    Attributes:
        rank: rank of the basis.
        index, values: bytes per label of the LABEL_INDEX and LABEL_VALUES streams.
        basis, means, rest: bytes of side information: the basis, the means of 1000 images, and
            everything else.
        tv4: mean total variation to the full labels at temperature 4.
        kl1: mean KL divergence from the full labels at temperature 1, in nats.
    """

    rank: int
    index: float
    values: float
    basis: int
    means: int
    rest: int
    tv4: float
    kl1: float


# Rows by the kind of target (a budget or a bound), in ascending order of bytes. Labels in MEANS are
# predicted from the means of their images, those in NO_MEANS are not.
MEANS: Mapping[str, tuple[TransformRow, ...]] = {
    "bytes": (
        TransformRow(29, 3.8294, 3.7596, 10793, 9536, 3431, 0.10747, 0.33369),
        TransformRow(45, 4.9438, 6.5671, 16862, 13944, 3759, 0.0961, 0.22087),
        TransformRow(54, 6.4931, 9.3656, 20339, 16370, 3904, 0.08983, 0.16245),
        TransformRow(90, 7.5208, 16.095, 34121, 25152, 4229, 0.07776, 0.1057),
        TransformRow(123, 10.7498, 25.7774, 46605, 32753, 4468, 0.06827, 0.06469),
        TransformRow(168, 14.1552, 39.4626, 64367, 42826, 4676, 0.05895, 0.0394),
        TransformRow(234, 17.1957, 57.4165, 90094, 55956, 5214, 0.05042, 0.02478),
        TransformRow(376, 18.3174, 87.8106, 147007, 80807, 6240, 0.04015, 0.01476),
        TransformRow(650, 16.9064, 142.49, 259972, 112895, 7156, 0.02914, 0.00768),
    ),
    "tv4": (
        TransformRow(26, 0.2924, 2.2345, 9613, 8581, 1790, 0.11945, 1.06397),
        TransformRow(52, 1.3782, 5.5942, 19493, 15865, 3027, 0.09967, 0.44016),
        TransformRow(88, 2.5348, 11.2335, 33370, 24726, 3848, 0.0847, 0.21822),
        TransformRow(156, 3.3674, 22.5778, 59694, 39820, 4354, 0.06985, 0.11683),
        TransformRow(281, 4.2323, 45.4371, 109029, 64671, 5262, 0.05484, 0.05782),
        TransformRow(446, 6.9582, 80.5022, 175373, 91350, 6637, 0.04195, 0.02528),
    ),
    "kl1": (
        TransformRow(20, 3.9041, 2.6255, 7322, 6822, 3319, 0.11571, 0.39889),
        TransformRow(35, 4.9836, 5.3729, 13181, 11229, 3718, 0.10108, 0.24963),
        TransformRow(50, 7.6277, 9.9038, 18842, 15266, 3896, 0.08996, 0.1499),
        TransformRow(77, 10.5264, 17.8401, 29162, 21965, 4181, 0.07794, 0.08986),
        TransformRow(130, 13.7287, 31.8209, 49429, 34351, 4487, 0.06461, 0.04988),
        TransformRow(227, 17.5542, 56.9367, 87411, 54577, 5186, 0.0508, 0.02493),
    ),
}

NO_MEANS: Mapping[str, tuple[TransformRow, ...]] = {
    "bytes": (
        TransformRow(23, 3.6121, 5.1327, 8554, 0, 3637, 0.11346, 0.39087),
        TransformRow(35, 4.8748, 8.4035, 13131, 0, 3864, 0.10175, 0.2526),
        TransformRow(48, 5.8918, 11.8633, 18035, 0, 4029, 0.09343, 0.1852),
        TransformRow(69, 8.0376, 18.8769, 26178, 0, 4194, 0.08265, 0.11699),
        TransformRow(112, 9.8032, 30.4056, 42503, 0, 4418, 0.07079, 0.07285),
        TransformRow(136, 15.0351, 44.1264, 51892, 0, 4496, 0.06248, 0.04317),
        TransformRow(200, 17.8156, 63.777, 76845, 0, 4941, 0.05294, 0.0268),
        TransformRow(357, 17.2449, 97.8151, 139470, 0, 6054, 0.04153, 0.01593),
        TransformRow(629, 16.4234, 157.262, 250860, 0, 7974, 0.02988, 0.00811),
    ),
    "tv4": (
        TransformRow(26, 0.2973, 4.717, 9647, 0, 2120, 0.11973, 1.06034),
        TransformRow(50, 1.614, 9.7496, 18864, 0, 3346, 0.09984, 0.40782),
        TransformRow(86, 2.7313, 17.3536, 32588, 0, 3944, 0.08474, 0.20744),
        TransformRow(144, 4.8321, 31.2168, 55028, 0, 4450, 0.06979, 0.09722),
        TransformRow(279, 3.8641, 58.8833, 108234, 0, 4957, 0.05491, 0.05895),
        TransformRow(441, 7.1362, 97.7265, 173189, 0, 6466, 0.04187, 0.02457),
    ),
    "kl1": (
        TransformRow(16, 4.5388, 4.15, 5853, 0, 3598, 0.11977, 0.39903),
        TransformRow(32, 5.3079, 8.1118, 11980, 0, 3868, 0.10293, 0.24907),
        TransformRow(48, 7.8301, 13.8255, 18050, 0, 4038, 0.09088, 0.14943),
        TransformRow(69, 11.2491, 22.7978, 26079, 0, 4194, 0.07955, 0.08986),
        TransformRow(107, 15.5001, 38.3856, 40645, 0, 4410, 0.06695, 0.04988),
        TransformRow(222, 17.5209, 68.2678, 85476, 0, 5038, 0.05106, 0.02493),
    ),
}

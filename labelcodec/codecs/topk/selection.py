"""Selection of the k largest values of each label."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Precision
from labelcodec.codecs.float_bits import LAYOUTS, from_bits, to_bits
from labelcodec.entropy.backend import implementation

kernels = partial(implementation, "labelcodec.codecs.topk")


@dataclass(frozen=True, eq=False)
class Selection:
    """The k largest values of each label, by rank.

    Attributes:
        index: (B, k) int64 classes.
        value: (B, k) their values.
        finite: whether no value, selected or not, is NaN or infinite.
    """

    index: NDArray[np.int64]
    value: NDArray[Any]
    finite: bool


def largest(value: NDArray[Any], precision: Precision, k: int) -> Selection:
    """Select the k largest values of each label.

    Of equal values, -0 and +0 among them, those of the lowest classes are selected; they rank by
    class, every -0 behind every +0: as a bit pattern -0 is below +0.

    Args:
        value: (B, C) values.
        precision: type of the values.
        k: number of classes, 1..C.
    """
    bits, layout = to_bits(value, precision), LAYOUTS[precision]
    index, selected, finite = kernels().largest(bits, k, layout.mantissa)
    return Selection(index, from_bits(selected, precision), finite)

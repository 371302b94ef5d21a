"""Selection of the k largest values, by integer keys that sort as a ranking."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Precision
from labelcodec.codecs.float_bits import LAYOUTS, from_bits, to_bits
from labelcodec.entropy.backend import implementation

CLASS_BITS = 20  # low bits of a key

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
        value: (B, C) values, C at most 2^20.
        precision: type of the values.
        k: number of classes, 1..C.
    """
    bits, layout = to_bits(value, precision), LAYOUTS[precision]
    keys, finite = kernels().largest_keys(bits, k, CLASS_BITS, layout.mantissa)
    keys.sort(axis=1)
    index = keys.view(np.int64) & ((1 << CLASS_BITS) - 1)
    keys >>= CLASS_BITS
    top = keys.astype(layout.storage)
    positive = (top >> (layout.width - 1)) - layout.storage(1)  # all ones, 0 for negatives
    top ^= positive & layout.storage((1 << (layout.width - 1)) - 1)
    return Selection(index, from_bits(top, precision), finite)

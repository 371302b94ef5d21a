"""Selection of the k largest values, by integer keys that sort as a ranking."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Precision
from labelcodec.codecs.float_bits import to_bits
from labelcodec.entropy.backend import implementation

CLASS_BITS = 20  # low bits of a key

kernels = partial(implementation, "labelcodec.codecs.topk")


def largest_classes(value: NDArray[Any], precision: Precision, k: int) -> NDArray[np.int64]:
    """Classes of the k largest values of each label, by rank; equal values rank by class.

    Args:
        value: (B, C) values, C at most 2^20. -0 counts as +0.
        precision: type of the values.
        k: number of classes, 1..C.

    Returns:
        (B, k) int64 classes.
    """
    keys = kernels().largest_keys(to_bits(value, precision), k, CLASS_BITS)
    keys.sort(axis=1)
    classes: NDArray[np.int64] = (keys & ((1 << CLASS_BITS) - 1)).astype(np.int64)
    return classes

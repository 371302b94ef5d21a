"""Selection of the k largest values, by integer keys that sort as a ranking."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Precision
from labelcodec.codecs.float_bits import LAYOUTS, to_bits
from labelcodec.entropy.backend import implementation

kernels = partial(implementation, "labelcodec.codecs.topk")


def ranking_keys(value: NDArray[Any], precision: Precision) -> NDArray[Any]:
    """Integers that sort as a ranking: largest value first, then lowest class.

    The class is in the low 16 bits, or 20 bits for wider values. Keys are uint32 if they fit, which
    sorts faster.

    Args:
        value: (B, C) values, C at most 2^20.
        precision: type of the values.

    Returns:
        (B, C) uint32 or uint64 keys.
    """
    layout = LAYOUTS[precision]
    small = layout.width == 16 and value.shape[1] <= 1 << 16
    keys = np.empty(value.shape, np.uint32 if small else np.uint64)
    kernels().ranking_keys(to_bits(value, precision), layout.width, 16 if small else 20, keys)
    return keys


def class_of_key(keys: NDArray[Any]) -> NDArray[np.int64]:
    """The class in each ranking key."""
    width = 16 if keys.dtype == np.uint32 else 20
    classes: NDArray[np.int64] = (keys & keys.dtype.type((1 << width) - 1)).astype(np.int64)
    return classes

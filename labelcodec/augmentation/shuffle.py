"""Random permutations, by sorting on random keys (SPEC, section 12.3)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.philox import Purpose, Source

AT_ONCE = 1 << 16  # keys computed at once, to bound memory
FEW = 1 << 17  # images up to which 64 epochs are cached: at most 32 MiB


def permutation(source: Source, purpose: Purpose, count: int) -> NDArray[np.int64]:
    """A random permutation of 0..count - 1: a stable sort by 64-bit random keys.

    Args:
        source: the batch's random words.
        purpose: what the words are drawn for.
        count: number of elements.

    Returns:
        (count,) int64 permutation.
    """
    keys = np.empty(count, np.uint64)
    for start in range(0, count, AT_ONCE):
        index = np.arange(start, min(start + AT_ONCE, count))
        words = source.words(purpose, index).astype(np.uint64)
        keys[index] = words[:, 0] << np.uint64(32) | words[:, 1]
    return keys.argsort(kind="stable")


def epoch_order(seed: int, epoch: int, images: int) -> NDArray[np.int32]:
    """The order in which an epoch visits the images.

    Args:
        seed: seed of the spec.
        epoch: the epoch, from 0.
        images: number of images.

    Returns:
        (images,) int32 image indices. The array is cached: do not modify it.
    """
    return (_order_of_few if images <= FEW else _order_of_many)(seed, epoch, images)


def _epoch_order(seed: int, epoch: int, images: int) -> NDArray[np.int32]:
    return permutation(Source(seed, epoch, 0), Purpose.ORDER, images).astype(np.int32)


_order_of_few = lru_cache(maxsize=64)(_epoch_order)
_order_of_many = lru_cache(maxsize=2)(_epoch_order)

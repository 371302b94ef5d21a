"""Compiled kernels: prediction from image means; documented in `reference`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy import int32

from labelcodec.codecs.transform.format import (
    EIGHTHS,
    FINE,
    HALF,
    MAX_CODED,
    MAX_PREDICTED,
    WEIGHT_BITS,
)


@njit(cache=True, nogil=True)
def eighths(box: Any, size: Any) -> Any:
    """As `reference.eighths`."""
    classes = np.empty(len(box), np.int64)
    for i in range(len(box)):
        area = np.int64(box[i, 2]) * np.int64(box[i, 3])
        whole: Any = EIGHTHS * area // (np.int64(size[i, 0]) * np.int64(size[i, 1]))
        classes[i] = max(0, min(whole, EIGHTHS - 1))
    return classes


@njit(cache=True, nogil=True)
def pairs(index: Any, partner: Any, own: int, rest: int, crops: Any) -> Any:
    """As `reference.pairs`."""
    image, part, crop = np.empty((3, len(index), 2), np.int64)
    for i in range(len(index)):
        image[i, 0], image[i, 1] = index[i], index[partner[i]]
        part[i, 0], part[i, 1] = own, rest
        crop[i, 0], crop[i, 1] = crops[i], crops[partner[i]]
    return image, part, crop


@njit(cache=True, nogil=True)
def mixed(entries: Any, unit: Any, kept: Any, image: Any, part: Any, crop: Any) -> Any:
    """As `reference.mixed`."""
    samples, rank = len(image), len(unit)
    result = np.empty((samples, rank), np.int32)
    for i in range(samples):
        own, partner = image[i]
        first, second = part[i, 0] * kept[crop[i, 0]], part[i, 1] * kept[crop[i, 1]]
        if own >= len(entries):
            own, first = 0, 0
        if partner >= len(entries):
            partner, second = 0, 0
        for j in range(rank):
            both = entries[own, j] * first + entries[partner, j] * second
            value = (both * unit[j] + HALF) >> WEIGHT_BITS
            result[i, j] = min(max(value, -MAX_PREDICTED), MAX_PREDICTED)
    return result


@njit(cache=True, nogil=True)
def restored(coded: Any, predicted: Any) -> Any:
    """As `reference.restored`."""
    samples, rank = predicted.shape
    coefficients, largest = np.empty((samples, rank), np.int32), int32(0)
    for j in range(rank):
        for i in range(samples):
            largest = max(largest, abs(coded[j, i]))
    for i in range(samples):
        for j in range(rank):
            coefficients[i, j] = (coded[j, i] << int32(FINE)) + predicted[i, j]
    return coefficients, np.int64(largest >= MAX_CODED)

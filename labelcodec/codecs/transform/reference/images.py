"""Reference kernels: prediction from image means (SPEC, section 9.5)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.format import (
    EIGHTHS,
    FINE,
    HALF,
    MAX_CODED,
    MAX_PREDICTED,
    WEIGHT_BITS,
)

Array = NDArray[Any]


def eighths(box: Array, size: Array) -> Array:
    """Crop classes (SPEC, clause X-21).

    Args:
        box: (B, 4) crop boxes; columns 2 and 3 are height and width in pixels.
        size: (B, 2) heights and widths of the images in pixels.

    Returns:
        (B,) int64 classes 0..7.
    """
    box, size = box.astype(np.int64), size.astype(np.int64)
    whole = EIGHTHS * box[:, 2] * box[:, 3] // (size[:, 0] * size[:, 1])
    classes: Array = np.clip(whole, 0, EIGHTHS - 1)
    return classes


def mixed(
    entries: Array, unit: Array, kept: Array, image: Array, part: Array, crop: Array
) -> Array:
    """Coefficients predicted from the means of two images per label (SPEC, clause X-22).

    Args:
        entries: (K, r) int16 quantised means.
        unit: (r,) int64 value of one entry of each column.
        kept: (8,) int64 share of a mean that is kept, by crop class, in 128ths.
        image: (B, 2) int64 image indices; images from K on count as zeros.
        part: (B, 2) int64 share of each image, in 256ths.
        crop: (B, 2) int64 crop classes.

    Returns:
        (B, r) int32 predictions.
    """
    has_mean = image < len(entries)
    image, weight = image * has_mean, part * kept[crop] * has_mean
    own, partner = (entries[image[:, i]] * weight[:, i : i + 1] for i in range(2))
    rounded = ((own + partner) * unit + HALF) >> WEIGHT_BITS
    result: Array = np.clip(rounded, -MAX_PREDICTED, MAX_PREDICTED).astype(np.int32)
    return result


def restored(coded: Array, predicted: Array) -> tuple[Array, int]:
    """Coefficients from coded differences and predictions (SPEC, clause X-19).

    Args:
        coded: (r, B) int32 differences.
        predicted: (B, r) int32 predictions.

    Returns:
        (B, r) int32 coefficients, and a status: 1 if a difference is too large, else 0.
    """
    coefficients: Array = (coded.T << FINE) + predicted
    return coefficients, int(np.abs(coded).max(initial=0) >= MAX_CODED)

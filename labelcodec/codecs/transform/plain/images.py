"""Coefficients predicted from the means of images; plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FINE = 3  # bits of a coefficient below the step of what is coded, where there are predictions
MAX_CODED = 1 << 11  # magnitude of what is coded, where it is added to a prediction
MAX_PREDICTED = 1 << 14
WEIGHT_BITS = 15  # of an image's share in a prediction
HALF = 1 << (WEIGHT_BITS - 1)
EIGHTHS = 8  # classes of crops


def eighths(box: Array, size: Array) -> Array:
    """(B,) int64 class of crop boxes (B, 4) of images of these sizes (B, 2): 0..7."""
    box, size = box.astype(np.int64), size.astype(np.int64)
    whole = EIGHTHS * box[:, 2] * box[:, 3] // (size[:, 0] * size[:, 1])
    classes: Array = np.clip(whole, 0, EIGHTHS - 1)
    return classes


def pairs(
    index: Array, partner: Array, own: int, other: int, crops: Array
) -> tuple[Array, Array, Array]:
    """Images, parts and classes of crops (B, 2) of each sample and of its partner."""
    return (
        np.stack([index, index[partner]], axis=1),
        np.full((len(index), 2), (own, other)),
        np.stack([crops, crops[partner]], axis=1),
    )


def mixed(
    entries: Array, unit: Array, kept: Array, image: Array, part: Array, crop: Array
) -> Array:
    """(B, r) int32 predictions: rows of two images a label, by what is seen and kept of them.

    Args:
        entries: (K, r) int16.
        unit: (r,) int64 what an entry of each column stands for.
        kept: (8,) int64 by class of crop, in 128ths.
        image: (B, 2) int64 row of each image; one that there is not counts as zeros.
        part: (B, 2) int64 of the picture, in 256ths.
        crop: (B, 2) int64 class of each crop.
    """
    known = image < len(entries)
    image, weight = image * known, part * kept[crop] * known
    own, partner = (entries[image[:, i]] * weight[:, i : i + 1] for i in range(2))
    rounded = ((own + partner) * unit + HALF) >> WEIGHT_BITS
    result: Array = np.clip(rounded, -MAX_PREDICTED, MAX_PREDICTED).astype(np.int32)
    return result


def restored(coded: Array, predicted: Array) -> tuple[Array, int]:
    """(B, r) int32 coefficients coded as differences (r, B) to what was predicted (B, r).

    Returns:
        The coefficients, and 0, or 1 when a difference is too large.
    """
    coefficients: Array = (coded.T << FINE) + predicted
    return coefficients, int(np.abs(coded).max(initial=0) >= MAX_CODED)

"""Cosine similarity of the images of a class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def class_similarities(
    features: NDArray[np.float32], class_index: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Mean cosine similarity of each class over its pairs of different images.

    LPLD, eq. 4: cos(f(x), f(x')) over all pairs x != x' of a class. With unit vectors u = f / |f|
    the sum over ordered pairs is |sum of u|^2 - n, so that no pair is visited. Sums are float64.

    Args:
        features: (N, d) finite features, none of them all zero.
        class_index: (N,) class of each image, 0..classes - 1.
        classes: number of classes.

    Returns:
        (classes,) similarities, -1..1; NaN for a class with fewer than two images.
    """
    counts = np.bincount(class_index, minlength=classes)
    of_class = np.split(np.argsort(class_index, kind="stable"), np.cumsum(counts)[:-1])
    similarities = np.full(classes, np.nan)
    for number, (rows, count) in enumerate(zip(of_class, counts.tolist(), strict=True)):
        if count < 2:
            continue
        units = features[rows].astype(np.float64)
        units /= np.linalg.norm(units, axis=1, keepdims=True)
        total = units.sum(axis=0)
        similarities[number] = (total @ total - count) / (count * (count - 1))
    return similarities

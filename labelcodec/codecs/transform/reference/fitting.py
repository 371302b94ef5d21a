"""Reference kernels: sums that fitting takes over all labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def mix_rows(image: Array, weight: Array, mean: Array) -> Array:
    """Labels predicted from the means of two images each.

    Args:
        image: (N, 2) int64 image indices, below K.
        weight: (N, 2) float32 share of each image.
        mean: (K, R) float32 means.

    Returns:
        (N, R) float32 weighted sums.
    """
    own, partner = (weight[:, i : i + 1] * mean[image[:, i]] for i in (0, 1))
    result: Array = own + partner
    return result


def sum_rows(image: Array, weight: Array, labels: Array, images: int) -> Array:
    """Weighted sums of labels by image: the transpose of `mix_rows`.

    Args:
        image: (N, 2) int64 image indices, below K.
        weight: (N, 2) float32 share of each image.
        labels: (N, R) float32.
        images: K.

    Returns:
        (K, R) float32 sums.
    """
    flat = image.ravel()
    sums = [np.bincount(flat, (weight * y[:, None]).ravel(), images) for y in labels.T]
    return np.stack(sums, axis=1).astype(np.float32)


def distance_masses(
    units: Array, counts: Array, classes: Array, p: Array, q: Array, weight: Array, shift: int,
    groups: int,
) -> tuple[Array, Array]:  # fmt: skip
    """Mass of two distributions by distance to each label's largest logit, peaks left out.

    Args:
        units: (N, C) int32 logits in units.
        counts: (N,) number of peaks per label.
        classes: (P,) classes of the peaks, label by label.
        p: (N, C) float32 masses of the first distribution.
        q: (N, C) float32 masses of the second one.
        weight: (N, 1) float32 weight of each label.
        shift: distances are counted in steps of 2^shift units.
        groups: G, the number of distances told apart.

    Returns:
        (G,) float64 masses of each distribution; the last entry holds all larger distances.
    """
    group = np.minimum((units.max(axis=1, keepdims=True) - units) >> shift, groups - 1)
    group[np.repeat(np.arange(len(counts)), counts), classes] = groups
    first, second = (
        np.bincount(group.ravel(), (mass * weight).ravel(), minlength=groups + 1)[:groups]
        for mass in (p, q)
    )
    return first, second

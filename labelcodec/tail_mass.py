"""The tail of top-k logits: its probability mass, and the logit of each class that is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.kept_counts import kept_of

SMALLEST = 1e-12  # tail mass that is stored for less


def floor_of(
    value: NDArray[Any], tail: NDArray[Any], left_out: NDArray[np.int64] | int
) -> NDArray[np.float64]:
    """(n,) logit of each class left out, so that all of them have the mass `tail`.

    Of log-probabilities it is log(tail / left_out).

    Args:
        value: (n, k) logits of the kept classes; -inf where there are fewer than k.
        tail: (n,) mass of the others, 0..1; less than 1e-12 counts as that.
        left_out: number of classes that are left out, of all positions or of each.
    """
    mass = np.clip(np.asarray(tail, np.float64), SMALLEST, 1 - SMALLEST)
    odds = np.log(mass) - np.log1p(-mass) - np.log(left_out)
    floor: NDArray[np.float64] = _log_sum(value) + odds
    return floor


def tail_of(
    value: NDArray[Any], floor: NDArray[Any], left_out: NDArray[np.int64] | int
) -> NDArray[np.float64]:
    """(n,) mass of the classes left out; the inverse of `floor_of`, as far as rounding allows."""
    odds = np.exp(np.asarray(floor, np.float64) + np.log(left_out) - _log_sum(value))
    mass: NDArray[np.float64] = odds / (1 + odds)
    mass[mass < 2 * SMALLEST] = 0
    return mass


def left_out_mass(labels: Labels) -> NDArray[np.float64]:
    """(B,) probability, 0..1, of the classes that top-k labels leave out.

    Args:
        labels: top-k labels with tail 'floor' or 'uniform', or probabilities.
    """
    kept = kept_of(labels)
    is_kept = np.arange(labels.value.shape[1]) < kept[:, None]
    if labels.floor is not None:
        value = np.where(is_kept, labels.value.astype(np.float64), -np.inf)
        return tail_of(value, labels.floor, labels.classes - kept)
    kept_mass = labels.value.sum(axis=1, dtype=np.float64, where=is_kept)
    left: NDArray[np.float64] = np.maximum(1 - kept_mass, 0)
    return left


def mean_floor(value: NDArray[Any], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """(B,) logit of which the classes left out, if each had it, would have their mass together.

    Args:
        value: (B, C) logits of all classes.
        index: (B, k) the kept classes, k < C.
    """
    rest = value.astype(np.float32)
    np.put_along_axis(rest, index, -np.inf, axis=1)
    floor: NDArray[np.float64] = _log_sum(rest) - np.log(value.shape[1] - index.shape[1])
    return floor


def narrowed_floor(
    dropped: NDArray[Any], floor: NDArray[Any], left_out: int
) -> NDArray[np.float64]:
    """(B,) logit of the classes left out after more were dropped; their mass stays.

    Args:
        dropped: (B, d) logits of the classes that are no longer kept, 1 and more.
        floor: (B,) logit of each class that was left out before.
        left_out: number of those, 0 and more.
    """
    with np.errstate(divide="ignore"):
        before = floor.astype(np.float64) + np.log(left_out)
    parts = np.concatenate([dropped, before[:, None]], axis=1)
    narrowed: NDArray[np.float64] = _log_sum(parts) - np.log(left_out + dropped.shape[1])
    return narrowed


def _log_sum(value: NDArray[Any]) -> NDArray[np.float64]:
    most = value.max(axis=1).astype(np.float64)
    with np.errstate(divide="ignore"):  # of labels without any mass
        shares = np.exp(value - np.where(np.isneginf(most), 0, most)[:, None])
        return np.asarray(most + np.log(shares.sum(axis=1)), np.float64)

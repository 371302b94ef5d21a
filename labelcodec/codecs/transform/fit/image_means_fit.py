"""Fitting of image means: ridge regression of labels on the images in their inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.fit.sample import Sample
from labelcodec.codecs.transform.format import (
    EIGHTHS,
    KEPT_BITS,
    MAX_ENTRIES,
    MAX_LEVEL,
    MAX_UNIT,
    WHOLE,
)
from labelcodec.codecs.transform.image_means import ImageMeans
from labelcodec.codecs.transform.image_mixture import ImageMixture

LABELS_PER_IMAGE = 2  # fewer leave nothing to gain
MEAN_STEP = 4.4  # step of the means over deviation of a label / sqrt(labels per image)
LEADING = 16  # axes on which the share kept by crops is estimated
KEPT_ROUNDS, RIDGE_ROUNDS, DESCENTS = 3, 2, 4
FIRST_RIDGE = 1.0
RIDGES = (1e-3, 1e3)


@dataclass(frozen=True, eq=False)
class ImageMeansFit:
    """Image means along the axes of a subspace, before quantisation.

    Attributes:
        size: (height, width) of the network input in pixels.
        kept: (8,) int64 share of a mean that labels keep, by crop class, in 128ths.
        mean: (K, R) float32 means, in logits along each axis.
        deviation: (R,) standard deviation of the labels from their prediction.
    """

    size: tuple[int, int]
    kept: NDArray[np.int64]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float64]

    def table(self, basis: BasisTables, total: int) -> ImageMeans:
        """Quantise the means.

        Args:
            basis: basis tables whose columns are the first of the axes.
            total: labels that share the table; more labels justify a finer one.
        """
        length = np.ldexp(np.linalg.norm(basis.vectors, axis=1), -basis.point)
        steps = self.deviation[: basis.rank] * MEAN_STEP * np.sqrt(len(self.mean) / total)
        unit = np.clip(np.rint(steps / length), 1, MAX_UNIT).astype(np.int64)
        entries = np.rint(self.mean[:, : basis.rank] / (unit * length))
        entries = np.clip(entries, 1 - MAX_LEVEL, MAX_LEVEL - 1).astype(np.int16)
        return ImageMeans(self.size, self.kept, unit, entries)


@dataclass(frozen=True, eq=False)
class _Mixing:
    """The (N, K) matrix that maps image means to predicted labels."""

    shown: ImageMixture
    weight: NDArray[np.float32]  # (N, 2)
    images: int

    def times(self, mean: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, R) labels predicted from means (K, R)."""
        result: NDArray[np.float32] = kernels().mix_rows(self.shown.image, self.weight, mean)
        return result

    def back(self, labels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(K, R) product of the transposed matrix with labels (N, R)."""
        sums: NDArray[np.float32] = kernels().sum_rows(
            self.shown.image, self.weight, labels, self.images
        )
        return sums

    def squares(self) -> NDArray[np.float64]:
        """(K,) squared column norms."""
        squares = np.bincount(self.shown.image.ravel(), self.weight.ravel() ** 2, self.images)
        return squares.astype(np.float64)


def fit_image_means(sample: Sample, along: NDArray[np.float32]) -> ImageMeansFit | None:
    """Fit the image means to labels.

    Args:
        sample: N labels with the mixtures of their inputs.
        along: (N, R) their coordinates along the axes, less those of the mean label.

    Returns:
        The means; None if mixtures are unknown or there are too few labels per image.
    """
    if sample.shown is None:
        return None
    images = int(sample.shown.image.max()) + 1
    if len(along) < LABELS_PER_IMAGE * images or images * along.shape[1] > MAX_ENTRIES:
        return None
    part = sample.shown.part.astype(np.float32) * np.float32(1 / WHOLE)
    mixing = _Mixing(sample.shown, part, images)
    leading, kept = along[:, :LEADING], np.ones(EIGHTHS, np.float32)
    for _ in range(KEPT_ROUNDS):
        mean, _ = _regress(replace(mixing, weight=part * kept[sample.shown.crop]), leading, 1)
        kept = _kept(mixing, mean, leading)
    whole = np.rint(np.ldexp(kept, KEPT_BITS))
    weight = part * np.ldexp(whole, -KEPT_BITS).astype(np.float32)[sample.shown.crop]
    mean, deviation = _regress(replace(mixing, weight=weight), along, RIDGE_ROUNDS)
    return ImageMeansFit(sample.size, whole.astype(np.int64), mean, deviation)


def _regress(
    mixing: _Mixing, along: NDArray[np.float32], rounds: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Ridge regression; the ridge is the ratio of noise to signal variance, estimated in turn.

    Returns:
        (K, R) means and the (R,) standard deviation of the labels from their prediction.
    """
    back, squares = mixing.back(along), mixing.squares()
    power = np.einsum("ij,ij->j", along, along, dtype=np.float64) / len(along)
    ridge = np.full(along.shape[1], FIRST_RIDGE)
    for _ in range(rounds):
        mean = _solve(mixing, back, ridge.astype(np.float32))
        rest = along - mixing.times(mean)
        spent = (squares[:, None] / (squares[:, None] + ridge)).sum(axis=0)  # degrees of freedom
        left = np.maximum(len(along) - spent, len(along) / 10)
        noise = np.einsum("ij,ij->j", rest, rest, dtype=np.float64) / left
        signal = (power - noise) * len(along) / squares.sum()
        ridge = np.clip(noise / np.maximum(signal, noise / RIDGES[1]), *RIDGES)
    return mean, np.sqrt(noise)


def _solve(
    mixing: _Mixing, back: NDArray[np.float32], ridge: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Solve the ridge regression by conjugate gradients, for all axes at once."""
    mean, rest, way = np.zeros_like(back), back, back
    size = (rest * rest).sum(axis=0)
    for _ in range(DESCENTS):
        turned = mixing.back(mixing.times(way)) + ridge * way
        pace = size / np.maximum((way * turned).sum(axis=0), np.float32(1e-30))
        mean, rest = mean + pace * way, rest - pace * turned
        before, size = size, (rest * rest).sum(axis=0)
        way = rest + size / np.maximum(before, np.float32(1e-30)) * way
    return mean


def _kept(
    mixing: _Mixing, mean: NDArray[np.float32], along: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(8,) share of the means that each crop class keeps, relative to the class that keeps most."""
    seen = [
        replace(mixing, weight=np.where(mixing.shown.crop == crop, mixing.weight, 0)).times(mean)
        for crop in range(EIGHTHS)
    ]
    products = np.array([[np.vdot(first, second) for second in seen] for first in seen], np.float64)
    target = np.array([np.vdot(first, along) for first in seen], np.float64)
    used = np.flatnonzero(products.diagonal() > 0)
    if not len(used):
        return np.ones(EIGHTHS, np.float32)
    solution = np.linalg.lstsq(products[np.ix_(used, used)], target[used], rcond=None)[0]
    kept = np.interp(np.arange(EIGHTHS), used, solution)
    share: NDArray[np.float32] = np.clip(kept / max(kept.max(), 1e-6), 0, 1).astype(np.float32)
    return share

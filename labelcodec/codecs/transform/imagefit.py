"""Fitting the means of images: ridge regression of labels on the images that they show."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.frame import Frame
from labelcodec.codecs.transform.matrix import MAX_ENTRIES, MAX_LEVEL
from labelcodec.codecs.transform.means import KEPT_BITS, MAX_UNIT, Means
from labelcodec.codecs.transform.plain.images import EIGHTHS
from labelcodec.codecs.transform.sample import Sample
from labelcodec.codecs.transform.shown import WHOLE, Shown

LABELS_AN_IMAGE = 2  # with fewer there is nothing to gain
MEAN_STEP = 4.4  # of the means, against the deviation of a label / sqrt(labels an image)
LEADING = 16  # axes that show what crops keep of an image's mean
KEPT_ROUNDS, RIDGE_ROUNDS, DESCENTS = 3, 2, 4
FIRST_RIDGE = 1.0
RIDGES = (1e-3, 1e3)


@dataclass(frozen=True, eq=False)
class ImageFit:
    """Means of images along the axes of a subspace.

    Attributes:
        size: (height, width) of the pictures.
        kept: (8,) int64 what crops keep of a mean, in 128ths.
        mean: (K, R) float32 means in logits along each axis.
        deviation: (R,) of labels from what the means predict.
    """

    size: tuple[int, int]
    kept: NDArray[np.int64]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float64]

    def table(self, frame: Frame, total: int) -> Means:
        """The means for a frame of these axes, as fine as `total` labels pay for."""
        length = np.ldexp(np.linalg.norm(frame.vectors, axis=1), -frame.point)
        wanted = self.deviation[: frame.rank] * MEAN_STEP * np.sqrt(len(self.mean) / total)
        unit = np.clip(np.rint(wanted / length), 1, MAX_UNIT).astype(np.int64)
        entries = np.rint(self.mean[:, : frame.rank] / (unit * length))
        entries = np.clip(entries, 1 - MAX_LEVEL, MAX_LEVEL - 1).astype(np.int16)
        return Means(self.size, self.kept, unit, entries)


@dataclass(frozen=True, eq=False)
class _Mixing:
    """The matrix (N, K) that mixes labels of the images' means."""

    shown: Shown
    weight: NDArray[np.float32]  # (N, 2)
    images: int

    def times(self, mean: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, R) labels of means (K, R)."""
        own, partner = (self.weight[:, i : i + 1] * mean[self.shown.image[:, i]] for i in (0, 1))
        result: NDArray[np.float32] = own + partner
        return result

    def back(self, labels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(K, R) sums of labels (N, R) over the images they show."""
        image, weight = self.shown.image.ravel(), self.weight
        sums = [np.bincount(image, (weight * y[:, None]).ravel(), self.images) for y in labels.T]
        return np.stack(sums, axis=1).astype(np.float32)

    def squares(self) -> NDArray[np.float64]:
        """(K,) sums of squared weights."""
        squares = np.bincount(self.shown.image.ravel(), self.weight.ravel() ** 2, self.images)
        return squares.astype(np.float64)


def fit_images(sample: Sample, along: NDArray[np.float32]) -> ImageFit | None:
    """The means of the images that the sample shows; None where it shows too many for its labels.

    Args:
        sample: N labels.
        along: (N, R) their coordinates along the axes, less those of the mean label.
    """
    if sample.shown is None:
        return None
    images = int(sample.shown.image.max()) + 1
    if len(along) < LABELS_AN_IMAGE * images or images * along.shape[1] > MAX_ENTRIES:
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
    return ImageFit(sample.size, whole.astype(np.int64), mean, deviation)


def _regress(
    mixing: _Mixing, along: NDArray[np.float32], rounds: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Means (K, R) and the deviation (R,) from them; the ridge is the ratio of both variances."""
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
    """Ridge regression by conjugate gradients, all axes at once."""
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
    """(8,) what each class of crop keeps of the means, 1 for the one that keeps most."""
    seen = [
        replace(mixing, weight=np.where(mixing.shown.crop == crop, mixing.weight, 0)).times(mean)
        for crop in range(EIGHTHS)
    ]
    products = np.array([[np.vdot(a, b) for b in seen] for a in seen], np.float64)
    wanted = np.array([np.vdot(a, along) for a in seen], np.float64)
    used = np.flatnonzero(products.diagonal() > 0)
    if not len(used):
        return np.ones(EIGHTHS, np.float32)
    found = np.linalg.lstsq(products[np.ix_(used, used)], wanted[used], rcond=None)[0]
    kept = np.interp(np.arange(EIGHTHS), used, found)
    share: NDArray[np.float32] = np.clip(kept / max(kept.max(), 1e-6), 0, 1).astype(np.float32)
    return share

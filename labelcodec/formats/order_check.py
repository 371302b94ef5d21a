"""Statistical check of an image order against the labels.

Two labels of one image from different epochs resemble each other more than labels of two random
images do. Under a wrong order, the labels that are paired are those of random images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import DumpError
from labelcodec.wording import counted

Verdict = Literal["holds", "contradicted", "unclear"]

WANTED_PAIRS = 400  # labels of one image in two epochs, of which few batches are read
MOST_PAIRS = 50_000  # compared in all, where the answer stays unclear
COLUMNS = 128  # of a sketch
# A wrong order is taken for a right one in less than one of 10^5 dumps.
EVIDENCE = math.log(1e5)
# Mean similarity of labels of one image; in the dumps seen it is 0.14 to 0.44.
LEAST_SIMILARITY = 0.05
DEVIATIONS = 4.0
LEAST_PAIRS = 100  # that speak against an order if they are no more alike than chance


@dataclass(frozen=True)
class LabelLikeness:
    """How alike are labels that should belong to the same image?

    The similarity of two labels is the cosine between their sketches, -1..1.

    Attributes:
        pairs: number of pairs of labels compared.
        agreeing: pairs with the same top class.
        chance: expected number of agreeing pairs under a wrong order, from the class frequencies.
        excess: sum of all similarities, less what is expected under a wrong order.
        variance: variance of that sum under a wrong order.
        largest: largest deviation of a single similarity from its expectation.
    """

    pairs: int = 0
    agreeing: int = 0
    chance: float = 0.0
    excess: float = 0.0
    variance: float = 0.0
    largest: float = 0.0

    def plus(self, other: LabelLikeness) -> LabelLikeness:
        """The agreement of both sets of pairs."""
        return LabelLikeness(
            self.pairs + other.pairs,
            self.agreeing + other.agreeing,
            self.chance + other.chance,
            self.excess + other.excess,
            self.variance + other.variance,
            max(self.largest, other.largest),
        )

    @property
    def verdict(self) -> Verdict:
        """Whether the order is right, wrong, or neither can be told.

        Right: Bernstein's inequality bounds the probability of such an excess under a wrong order.
        Wrong: the excess is clearly below that of any right order.
        """
        if self.excess > 0:
            tail = 2 * (self.variance + self.largest * self.excess / 3)
            if self.excess**2 > EVIDENCE * tail:
                return "holds"
        upper = self.excess + DEVIATIONS * math.sqrt(self.variance)
        if self.variance > 0 and upper < LEAST_SIMILARITY * self.pairs:
            return "contradicted"
        return "unclear"

    @property
    def speaks_against(self) -> bool:
        """Whether all pairs together contradict the order, or are no more alike than chance.

        Few images never suffice for a contradiction. Labels that are mostly of one class are alike
        under any order; they do not speak against one.
        """
        if self.verdict != "unclear":
            return self.verdict == "contradicted"
        telling = self.pairs >= LEAST_PAIRS and 2 * self.chance < self.pairs
        return telling and self.excess < math.sqrt(self.variance)

    def __str__(self) -> str:
        return (
            f"{self.agreeing} of {self.pairs} pairs of labels of one image from two epochs agree "
            f"in their top class, by chance it would be {self.chance:.0f}; their mean similarity "
            f"is {self.excess / max(self.pairs, 1):+.2f} against chance"
        )


class LabelSample:
    """Sketches of the labels in the first batches of each epoch, read when they are needed.

    Args:
        epochs: positions in the dump of the batches of each epoch.
        images: number of images in an epoch.
        batch_size: labels per batch.
        read: returns the (B, C) or (B, k) values of the batch at a position, and the (B, k)
            classes of top-k labels.
        name: returns what error messages call the batch at a position.
    """

    def __init__(
        self,
        epochs: Sequence[Sequence[int]],
        images: int,
        batch_size: int,
        read: Callable[[int], tuple[NDArray[Any], NDArray[np.int64] | None]],
        name: Callable[[int], object] = "batch {} of the dump:".format,
    ) -> None:
        # Two random subsets of m of N images have m * m / N images in common on average.
        most = math.ceil(math.sqrt(WANTED_PAIRS * images) / batch_size)
        self.epochs = [batches[:most] for batches in epochs]
        self._read, self.name = read, name
        self._labels: dict[int, _EpochLabels] = {}

    def labels(self, epoch: int) -> _EpochLabels:
        """The labels of the epoch at this position."""
        if epoch not in self._labels:
            batches = [self._read(batch) for batch in self.epochs[epoch]]
            self._labels[epoch] = _EpochLabels(
                np.concatenate([sketch(value, index) for value, index in batches]),
                np.concatenate([top1(value, index) for value, index in batches]),
                [len(value) for value, _ in batches],
            )
        return self._labels[epoch]


@dataclass(frozen=True, eq=False)
class _EpochLabels:
    """Labels of one epoch: (n, 128) float64 sketches, (n,) int64 top classes, sizes of batches."""

    sketches: NDArray[np.float64]
    top: NDArray[np.int64]
    sizes: list[int]


def check_order(indices: Callable[[int], NDArray[np.int64]], sample: LabelSample) -> LabelLikeness:
    """Compare the labels of each image across epochs, of as many as it takes for a clear answer.

    Args:
        indices: returns the (B,) image indices that the order gives the batch at a position.
        sample: the labels.

    Raises:
        DumpError: the order has more or fewer images than a batch has labels.
    """
    agreement = LabelLikeness()
    compared: list[_ByImage] = []
    centre = None
    for epoch, batches in enumerate(sample.epochs):
        labels = sample.labels(epoch)
        centre = labels.sketches.mean(axis=0) if centre is None else centre
        claimed = [indices(batch) for batch in batches]
        for batch, batch_images, size in zip(batches, claimed, labels.sizes, strict=True):
            if len(batch_images) != size:
                raise DumpError(
                    f"{sample.name(batch)} holds {counted(size, 'sample')}, the image order has "
                    f"{len(batch_images)}"
                )
        images, rows = np.unique(np.concatenate(claimed), return_index=True)
        vectors = labels.sketches[rows] - centre
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        current = _ByImage(images, vectors, labels.top[rows])
        for earlier in compared:
            agreement = agreement.plus(_agreement(earlier, current))
        compared.append(current)
        if agreement.verdict != "unclear" or agreement.pairs > MOST_PAIRS:
            break
    return agreement


@dataclass(frozen=True, eq=False)
class _ByImage:
    """Labels of one epoch, by ascending image index: unit vectors and top classes."""

    images: NDArray[np.int64]
    vectors: NDArray[np.float64]
    top: NDArray[np.int64]


def _agreement(a: _ByImage, b: _ByImage) -> LabelLikeness:
    """The agreement of the labels of two epochs; moments are those of a random assignment."""
    _, left, right = np.intersect1d(a.images, b.images, assume_unique=True, return_indices=True)
    pairs = len(left)
    if pairs < 2:
        return LabelLikeness()
    similarity = a.vectors[left] @ b.vectors[right].T
    rows = similarity.mean(axis=1, keepdims=True)
    deviation = similarity - rows - similarity.mean(axis=0) + rows.mean()
    return LabelLikeness(
        pairs,
        int((a.top[left] == b.top[right]).sum()),
        pairs * _chance(a.top, b.top),
        float(np.trace(similarity)) - float(similarity.sum()) / pairs,
        float((deviation**2).sum()) / (pairs - 1),
        float(np.abs(deviation).max()),
    )


def sketch(value: NDArray[Any], index: NDArray[np.int64] | None) -> NDArray[Any]:
    """Short vectors whose products are about those of the labels: signed sums of their values.

    Args:
        value: (B, C) values of dense labels, or (B, k) of top-k labels.
        index: (B, k) classes of top-k labels; None if dense.

    Returns:
        (B, 128) float64.
    """
    values = _finite(value.astype(np.float64))
    sketches = np.zeros((len(value), COLUMNS))
    if index is None:
        signed = values * _signs(np.arange(values.shape[1]))
        for start in range(0, values.shape[1], COLUMNS):
            piece = signed[:, start : start + COLUMNS]
            sketches[:, : piece.shape[1]] += piece
        return sketches
    kept = values - values.min(axis=1, keepdims=True) + 1
    rows = np.arange(len(value))[:, None]
    np.add.at(sketches, (rows, index % COLUMNS), kept * _signs(index))
    return sketches


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Infinite values become their label's largest or smallest: none outweighs the others."""
    is_finite = np.isfinite(values)
    if is_finite.all():
        return values
    rows = np.where(is_finite, values, np.nan)
    rows[~is_finite.any(axis=1)] = 0
    high, low = np.nanmax(rows, axis=1, keepdims=True), np.nanmin(rows, axis=1, keepdims=True)
    return np.nan_to_num(np.clip(values, low, high), nan=0.0)


def _signs(classes: NDArray[np.int64]) -> NDArray[Any]:
    """1 or -1 for each class: a bit of a multiplicative hash."""
    bit = (classes.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(63)
    return 1.0 - 2.0 * bit


def top1(value: NDArray[Any], index: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """(B,) int64, the class with the largest value of each label."""
    best: NDArray[np.int64] = value.argmax(axis=1)
    return best if index is None else index[np.arange(len(best)), best]


def _chance(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Probability that a random entry of a equals a random entry of b."""
    classes, first = np.unique(a, return_counts=True)
    others, second = np.unique(b, return_counts=True)
    _, left, right = np.intersect1d(classes, others, assume_unique=True, return_indices=True)
    return float(first[left] @ second[right]) / (len(a) * len(b))

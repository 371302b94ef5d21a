"""Quantisation of dense labels to coefficients and peaks: the encoder's choices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.compact import TransformLabels
from labelcodec.codecs.transform.fit.deadzone import DeadZones, quantise
from labelcodec.codecs.transform.fit.peak_bits import peak_bits, peak_prices
from labelcodec.codecs.transform.format import (
    FINE,
    MAX_CODED,
    MAX_COEFFICIENT,
    MAX_RESIDUAL,
    MEAN_SHIFT,
)

MAX_PEAKS = 64  # per label
AT_ONCE = 128  # labels whose intermediate arrays stay in the caches
FIRST_PRICE, LAST_PRICE = 0.25, 1e-6  # range of prices tried for a number of peaks
TEMPERATURE = 4.0
MAX_EXPONENT = np.float32(60)
MAX_WEIGHT = np.float32(2)
RIDGE = 1e-9  # relative to the axes' mean square: below single precision
MASKED = np.float32(1e4)  # this far below the largest, probability is 0 up to temperature 96


class Peaks(NamedTuple):
    """Corrected classes of a batch, concatenated label by label.

    Attributes:
        counts: (B,) number of peaks per label.
        places: (P,) positions in the ranking, ascending within a label.
        rows: (P,) row of the peak's label in the batch.
        classes: (P,) corrected classes.
        residuals: (P,) corrections in steps of `basis.peak`.
        values: (P,) int32 corrected logits in units.
    """

    counts: NDArray[np.int64]
    places: NDArray[np.int64]
    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    residuals: NDArray[np.int64]
    values: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Analysis:
    """Labels with quantised coefficients, before peaks are chosen.

    Attributes:
        basis: basis tables of the file.
        centred: (B, C) float32 labels less their own mean.
        coefficients: (B, r) int32 quantised coefficients, predictions included.
        scores: (B, C) int32 reconstructed logits in units.
        gain: (B, C) float32 nats of KL at temperature 1 that correcting a class saves.
        predicted: (B, r) int32 coefficients predicted from image means; None without prediction.
    """

    basis: BasisTables
    centred: NDArray[np.float32]
    coefficients: NDArray[np.int32]
    scores: NDArray[np.int32]
    gain: NDArray[np.float32]
    predicted: NDArray[np.int32] | None = None

    def spread(self, most: int) -> Analysis:
        """At most `most` of the labels, evenly spread."""
        rows = slice(None, None, -(-len(self.scores) // most))
        return Analysis(
            self.basis, self.centred[rows], self.coefficients[rows], self.scores[rows],
            self.gain[rows], None if self.predicted is None else self.predicted[rows],
        )  # fmt: skip

    def peaks(self, price: float) -> Peaks:
        """Choose the peaks that save at least `price` nats per bit."""
        return self.peaks_at(*self.choose(price))

    def choose(
        self, price: float, most: int = MAX_PEAKS
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Counts (B,), positions (P,) and classes (P,) of at most `most` peaks per label."""
        chosen: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] = kernels().choose(
            self.scores, self.gain, peak_prices(self.scores.shape[1], price), most
        )
        return chosen

    def peaks_at(
        self, counts: NDArray[np.int64], places: NDArray[np.int64], classes: NDArray[np.int64]
    ) -> Peaks:
        """The peaks at chosen positions of the ranking, whose classes these are."""
        rows = np.repeat(np.arange(len(counts)), counts)
        before = self.scores[rows, classes]
        target = np.ldexp(self.centred[rows, classes].astype(np.float64), self.basis.point)
        steps = np.rint((target - before) / self.basis.peak)
        residuals = np.clip(steps, -MAX_RESIDUAL, MAX_RESIDUAL).astype(np.int64)
        return Peaks(counts, places, rows, classes, residuals, self.basis.raised(before, residuals))

    def compact(self, peaks: Peaks) -> TransformLabels:
        """The compact labels with these peaks."""
        return TransformLabels(
            self.basis, self.coefficients, peaks.counts, peaks.places, peaks.residuals,
            self.predicted,
        )  # fmt: skip

    def expand(self, peaks: Peaks) -> NDArray[np.int32]:
        """(B, C) int32 logits in units that `compact(peaks)` expands to."""
        full: NDArray[np.int32] = kernels().expand(
            self.scores, peaks.counts, peaks.classes, peaks.values, self.basis.tail,
            self.basis.shift,
        )  # fmt: skip
        return full

    def price_of(self, peaks: float) -> float:
        """The price at which labels have `peaks` peaks on average; 0 if there are never so many."""
        target, price = round(peaks * len(self.scores)), FIRST_PRICE
        while price > LAST_PRICE:
            counts, places, classes = self.choose(price)
            if len(places) > target:
                rows = np.repeat(np.arange(len(counts)), counts)
                worth = self.gain[rows, classes] / peak_bits(places)
                last = len(worth) - 1 - target
                return float(np.partition(worth, last)[last])
            price /= 8
        return 0.0


@dataclass(frozen=True, eq=False)
class Analyser:
    """Quantises dense labels to coefficients.

    Attributes:
        basis: basis tables of the file.
        zones: dead zones of the coefficients; None derives them from the labels being quantised.
    """

    basis: BasisTables
    zones: DeadZones | None = None

    def __call__(
        self, logits: NDArray[Any], predicted: NDArray[np.int32] | None = None
    ) -> Analysis:
        """Analyse dense labels.

        Args:
            logits: (B, C) finite logits.
            predicted: (B, r) int32 predicted coefficients; None without prediction.
        """
        return self.of_centred(centre(logits), predicted)

    def of_centred(
        self, centred: NDArray[np.float32], predicted: NDArray[np.int32] | None = None
    ) -> Analysis:
        """Analyse labels that `centre` gave, (B, C); arguments as of a call."""
        high = centred.max(axis=1, keepdims=True)
        blocks = [slice(i, i + AT_ONCE) for i in range(0, max(len(centred), 1), AT_ONCE)]
        exact = np.concatenate([self._coefficients(centred[rows], high[rows]) for rows in blocks])
        coefficients = quantised(exact, predicted, self.zones)
        scores, gain = self.basis.scores(coefficients), np.empty_like(centred)
        for rows in blocks:
            self._gain(centred[rows], high[rows], scores[rows], gain[rows])
        return Analysis(self.basis, centred, coefficients, scores, gain, predicted)

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        """(r, C) basis vectors in logits per coefficient."""
        return np.ldexp(self.basis.vectors, -self.basis.point).astype(np.float32)

    @cached_property
    def _dual(self) -> NDArray[np.float32]:
        """(C, r) matrix that maps logits to their least-squares coefficients."""
        rows = self._vectors.astype(np.float64)
        products = rows @ rows.T
        # the axes of a coarsely quantised basis may be linearly dependent
        products += RIDGE * products.diagonal().mean() * np.eye(len(rows))
        dual: NDArray[np.float32] = np.linalg.solve(products, rows).T.astype(np.float32)
        return np.ascontiguousarray(dual)

    @cached_property
    def _mean(self) -> NDArray[np.float32]:
        mean = np.ldexp(self.basis.mean.astype(np.float64), MEAN_SHIFT - self.basis.point)
        return mean.astype(np.float32)

    def _coefficients(
        self, centred: NDArray[np.float32], high: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """(B, r) coefficients of the labels, not yet rounded.

        Errors are weighted by the square root of the probability at temperature 4. This takes one
        step of weighted least squares from the unweighted solution.
        """
        residual = centred - self._mean
        coarse = residual @ self._dual
        weight = centred - high
        weight *= np.float32(0.5 / TEMPERATURE)
        np.exp(weight, out=weight)  # the square root of the probability, up to a factor
        weight *= np.sqrt(np.float32(len(self._mean)) / np.einsum("ij,ij->i", weight, weight))[
            :, None
        ]
        np.minimum(weight, MAX_WEIGHT, out=weight)
        residual -= coarse @ self._vectors
        residual *= weight
        return np.asarray(coarse + residual @ self._dual, np.float32)

    def _gain(
        self,
        centred: NDArray[np.float32],
        high: NDArray[np.float32],
        scores: NDArray[np.int32],
        out: NDArray[np.float32],
    ) -> None:
        """Nats of KL saved by correcting each class: p log(p / q) - p + q at temperature 1.

        q is the exponential of the reconstructed logit over the true label's sum.
        out: (B, C).
        """
        np.multiply(scores, np.float32(2.0**-self.basis.point), out=out, dtype=np.float32)
        p = centred - high
        np.exp(p, out=p)
        total = p.sum(axis=1, keepdims=True)
        q = out - high
        np.exp(np.minimum(q, MAX_EXPONENT, out=q), out=q)
        np.subtract(centred, out, out=out)
        out *= p
        out += q
        out -= p
        out /= total


def quantised(
    exact: NDArray[np.float32], predicted: NDArray[np.int32] | None, at: DeadZones | None
) -> NDArray[np.int32]:
    """Quantise coefficients to values that can be stored.

    Args:
        exact: (B, r) float32 coefficients.
        predicted: (B, r) int32 predictions, to which multiples of 2^FINE are added; or None.
        at: dead zones; None derives them from the coefficients.

    Returns:
        (B, r) int32 coefficients, predictions included.
    """
    if predicted is None:
        most = MAX_COEFFICIENT - 1
        return np.clip(quantise(exact, at), -most, most).astype(np.int32)
    away = (exact - predicted.astype(np.float32)) * np.float32(2.0**-FINE)
    coded = np.clip(quantise(away, at), 1 - MAX_CODED, MAX_CODED - 1).astype(np.int32)
    return (coded << FINE) + predicted


def centre(logits: NDArray[Any]) -> NDArray[np.float32]:
    """(B, C) float32 logits less their mean over the classes, which does not change a softmax.

    Logits far below the largest, as of masked classes, are raised to 10 000 below it first; they
    would cost the other classes precision.
    """
    wide = logits.astype(np.float32)
    wide -= wide.max(axis=1, keepdims=True)
    np.maximum(wide, -MASKED, out=wide)
    wide -= wide.mean(axis=1, keepdims=True)
    return wide

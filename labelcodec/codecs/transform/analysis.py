"""Labels to coefficients and peaks: what the encoder chooses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.compact import Compact
from labelcodec.codecs.transform.frame import MEAN_SHIFT, Frame
from labelcodec.codecs.transform.plain.images import FINE, MAX_CODED
from labelcodec.codecs.transform.plain.peaks import peak_bits
from labelcodec.codecs.transform.plain.symbols import MAX_COEFFICIENT, MAX_RESIDUAL
from labelcodec.codecs.transform.rounding import Zones, rounded

MAX_PEAKS = 64
FIRST_PRICE, LAST_PRICE = 0.25, 1e-6  # of those tried for a number of peaks
TEMPERATURE = 4.0
MAX_EXPONENT = np.float32(60)
MAX_WEIGHT = np.float32(2)
RIDGE = 1e-9  # of the axes' mean square: below single precision
MASKED = np.float32(1e4)  # below the largest logit: of probability 0 at all temperatures to 96


class Peaks(NamedTuple):
    """Corrected classes of a batch, label by label.

    Attributes:
        counts: (B,) peaks of each label.
        places: (P,) places in the ranking, rising in each label.
        rows: (P,) labels.
        classes: (P,) classes.
        residuals: (P,) steps to add.
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
    """Labels with their coefficients, before peaks are chosen.

    Attributes:
        frame: the tables of the file.
        centred: (B, C) labels less their own mean.
        coefficients: (B, r) quantised, predictions included.
        scores: (B, C) reconstructed logits in units.
        gain: (B, C) nats of KL at temperature 1 that correcting a class saves.
        predicted: (B, r) coefficients predicted from the means of images, None without.
    """

    frame: Frame
    centred: NDArray[np.float32]
    coefficients: NDArray[np.int32]
    scores: NDArray[np.int32]
    gain: NDArray[np.float32]
    predicted: NDArray[np.int32] | None = None

    def peaks(self, price: float) -> Peaks:
        """The peaks that save `price` nats or more for each of their bits."""
        counts, places, classes = kernels().choose(self.scores, self.gain, price, MAX_PEAKS)
        rows = np.repeat(np.arange(len(counts)), counts)
        before = self.scores[rows, classes]
        wanted = np.ldexp(self.centred[rows, classes].astype(np.float64), self.frame.point)
        steps = np.rint((wanted - before) / self.frame.peak)
        residuals = np.clip(steps, -MAX_RESIDUAL, MAX_RESIDUAL).astype(np.int64)
        return Peaks(counts, places, rows, classes, residuals, self.frame.raised(before, residuals))

    def compact(self, peaks: Peaks) -> Compact:
        """The labels with these peaks."""
        return Compact(
            self.frame, self.coefficients, peaks.counts, peaks.places, peaks.residuals,
            self.predicted,
        )  # fmt: skip

    def expand(self, peaks: Peaks) -> NDArray[np.int32]:
        """(B, C) what `compact(peaks)` expands to, in units."""
        full: NDArray[np.int32] = kernels().expand(
            self.scores, peaks.counts, peaks.classes, peaks.values, self.frame.tail,
            self.frame.shift,
        )  # fmt: skip
        return full

    def price_of(self, peaks: float) -> float:
        """The price at which labels have so many peaks on average; 0 where they cannot."""
        wanted, price = round(peaks * len(self.scores)), FIRST_PRICE
        while price > LAST_PRICE:
            counts, places, classes = kernels().choose(self.scores, self.gain, price, MAX_PEAKS)
            if len(places) > wanted:
                rows = np.repeat(np.arange(len(counts)), counts)
                worth = self.gain[rows, classes] / peak_bits(places)
                last = len(worth) - 1 - wanted
                return float(np.partition(worth, last)[last])
            price /= 8
        return 0.0


@dataclass(frozen=True, eq=False)
class Analyser:
    """Finds the coefficients of dense labels.

    Attributes:
        frame: the tables of the file.
        zones: how coefficients are rounded, None for what suits the labels at hand.
    """

    frame: Frame
    zones: Zones | None = None

    def __call__(
        self, logits: NDArray[Any], predicted: NDArray[np.int32] | None = None
    ) -> Analysis:
        """The analysis of dense finite logits (B, C), given what is predicted of them."""
        centred = centre(logits)
        high = centred.max(axis=1, keepdims=True)
        coefficients = quantised(self._coefficients(centred, high), predicted, self.zones)
        scores = self.frame.scores(coefficients)
        gain = self._gain(centred, high, scores)
        return Analysis(self.frame, centred, coefficients, scores, gain, predicted)

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        """(r, C) logits that a coefficient of 1 adds."""
        return np.ldexp(self.frame.vectors, -self.frame.point).astype(np.float32)

    @cached_property
    def _dual(self) -> NDArray[np.float32]:
        """(C, r) matrix that gives the least-squares coefficients of logits."""
        rows = self._vectors.astype(np.float64)
        products = rows @ rows.T
        # axes of a coarse basis may depend on each other
        products += RIDGE * products.diagonal().mean() * np.eye(len(rows))
        dual: NDArray[np.float32] = np.linalg.solve(products, rows).T.astype(np.float32)
        return np.ascontiguousarray(dual)

    @cached_property
    def _mean(self) -> NDArray[np.float32]:
        mean = np.ldexp(self.frame.mean.astype(np.float64), MEAN_SHIFT - self.frame.point)
        return mean.astype(np.float32)

    def _coefficients(
        self, centred: NDArray[np.float32], high: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """(B, r) coefficients of the labels, not yet rounded.

        Errors weigh as the square root of the probability at temperature 4: one step of the
        weighted least squares from the unweighted solution.
        """
        wanted = centred - self._mean
        coarse = wanted @ self._dual
        # exp(z / 8), the square root of the probability, up to a factor
        weight = np.exp((centred - high) * np.float32(0.5 / TEMPERATURE))
        weight *= np.sqrt(np.float32(len(self._mean)) / np.einsum("ij,ij->i", weight, weight))[
            :, None
        ]
        np.minimum(weight, MAX_WEIGHT, out=weight)
        wanted -= coarse @ self._vectors
        wanted *= weight
        return np.asarray(coarse + wanted @ self._dual, np.float32)

    def _gain(
        self,
        centred: NDArray[np.float32],
        high: NDArray[np.float32],
        scores: NDArray[np.int32],
    ) -> NDArray[np.float32]:
        """Nats that correcting a class saves: p log(p / q) - p + q at temperature 1.

        q is exp of the reconstructed logit over the true label's sum.
        """
        found = scores.astype(np.float32)
        found *= np.float32(2.0**-self.frame.point)
        p = np.exp(centred - high)
        total = p.sum(axis=1, keepdims=True)
        q = np.exp(np.minimum(found - high, MAX_EXPONENT))
        np.subtract(centred, found, out=found)
        found *= p
        found += q
        found -= p
        found /= total
        return found


def quantised(
    exact: NDArray[np.float32], predicted: NDArray[np.int32] | None, at: Zones | None
) -> NDArray[np.int32]:
    """(B, r) coefficients that can be stored: predictions and whole steps from them."""
    if predicted is None:
        most = MAX_COEFFICIENT - 1
        return np.clip(rounded(exact, at), -most, most).astype(np.int32)
    away = (exact - predicted.astype(np.float32)) * np.float32(2.0**-FINE)
    coded = np.clip(rounded(away, at), 1 - MAX_CODED, MAX_CODED - 1).astype(np.int32)
    return (coded << FINE) + predicted


def centre(logits: NDArray[Any]) -> NDArray[np.float32]:
    """(B, C) float32 logits less their mean over the classes: a softmax ignores it.

    Masked classes, far below the largest, are lifted first: they would take the others' precision.
    """
    wide = logits.astype(np.float32)
    wide -= wide.max(axis=1, keepdims=True)
    np.maximum(wide, -MASKED, out=wide)
    wide -= wide.mean(axis=1, keepdims=True)
    return wide

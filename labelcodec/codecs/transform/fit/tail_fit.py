"""Fitting the tail correction: what is added to a class's logit, by its distance to the largest."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.fit.analysis import MAX_EXPONENT, Analysis, Peaks
from labelcodec.codecs.transform.format import TAIL

TEMPERATURE = 2  # of transform's correction
ROUNDS = 4  # of calibration; further ones change less than a sixteenth of a logit
LEAST, MOST = -128, 127  # corrections in sixteenths of a logit

Array = NDArray[np.float32]


class _Masses(NamedTuple):
    """Exponentials of (N, C) source and coded logits at a temperature, over the source's largest.

    Attributes:
        source: (N, C) float32.
        coded: (N, C) float32.
    """

    source: Array
    coded: Array

    @classmethod
    def of(cls, true: Array, coded: Array, tau: float) -> _Masses:
        base = true.max(axis=1, keepdims=True)
        source, other = (
            np.exp(np.minimum((logits - base) / np.float32(tau), MAX_EXPONENT))
            for logits in (true, coded)
        )
        return cls(source, other)

    def missing(
        self, units: NDArray[np.int32], counts: NDArray[np.int64], classes: NDArray[np.int64],
        shift: int,
    ) -> NDArray[np.float64]:  # fmt: skip
        """(TAIL,) log of the source's mass over the coded one, by distance in `units`; 0 if unseen.

        Args:
            units: (N, C) int32 logits whose distance to the label's largest counts.
            counts: (N,) number of peaks per label.
            classes: (P,) classes of the peaks, which are left out.
            shift: distances are counted in steps of 2^shift units.
        """
        weight = 1 / self.source.sum(axis=1, keepdims=True)
        true_mass, coded_mass = kernels().distance_masses(
            units, counts, classes, self.source, self.coded, weight, shift, TAIL
        )
        seen = np.minimum(true_mass, coded_mass) > 0
        ratio: NDArray[np.float64] = np.where(seen, true_mass, 1) / np.where(seen, coded_mass, 1)
        return np.log(ratio)


def fit_tail(analysis: Analysis, peaks: Peaks) -> BasisTables:
    """Fit the tail correction of labels with peaks.

    It gives every class of distances the probability mass that it has in the source at
    temperature 2, where the sum over the classes of a label is taken as the source's.

    Args:
        analysis: the quantised labels.
        peaks: their peaks, which the correction leaves alone.

    Returns:
        The basis with the correction.
    """
    basis, units = analysis.basis, analysis.expand(peaks)
    masses = _Masses.of(analysis.centred, basis.logits(units), TEMPERATURE)
    missing = masses.missing(units, peaks.counts, peaks.classes, basis.shift)
    return _with_tail(basis, 16 * TEMPERATURE * missing)


def calibrated(
    basis: BasisTables, true: Array, scores: NDArray[np.int32], tau: float
) -> BasisTables:
    """Fit the tail correction of labels without peaks.

    It minimises the mean KL divergence from the source: there, every class of distances has the
    probability mass that it has in the source (iterative scaling).

    Args:
        basis: the basis; its correction is not used.
        true: (N, C) float32 source logits.
        scores: (N, C) int32 coded logits in units, without correction.
        tau: temperature of the KL divergence.

    Returns:
        The basis with the correction.
    """
    counts, none = np.zeros(len(scores), np.int64), np.zeros(0, np.int64)
    basis, added = replace(basis, tail=np.zeros(TAIL, np.int32)), np.zeros(TAIL)
    for _ in range(ROUNDS):
        masses = _Masses.of(true, expanded(basis, scores), tau)
        sums = (mass.sum(axis=1, keepdims=True) for mass in masses)
        coded = masses.coded * np.divide(*sums)
        missing = masses._replace(coded=coded).missing(scores, counts, none, basis.shift)
        added += 16 * tau * missing
        basis = _with_tail(basis, added)
    return basis


def expanded(basis: BasisTables, scores: NDArray[np.int32]) -> Array:
    """(N, C) float32 logits of (N, C) int32 scores of labels without peaks."""
    counts, none = np.zeros(len(scores), np.int64), np.zeros(0, np.int64)
    logits: Array = kernels().expand_logits(
        scores, counts, none, none, basis.tail, basis.shift, 2.0**-basis.point
    )
    return logits


def _with_tail(basis: BasisTables, sixteenths: NDArray[np.float64]) -> BasisTables:
    """The basis with a correction in sixteenths of a logit."""
    whole = np.clip(np.rint(sixteenths), LEAST, MOST)
    return replace(basis, tail=np.ldexp(whole, basis.point - 4).astype(np.int32))

"""Fitting of the transform codec's tables: quantised basis, contexts, frequencies."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.compact import TransformLabels, joined
from labelcodec.codecs.transform.context_model import ContextModel, column_classes, zones_of
from labelcodec.codecs.transform.fit.analysis import AT_ONCE, Analysis
from labelcodec.codecs.transform.fit.candidate import Candidate
from labelcodec.codecs.transform.fit.image_means_fit import ImageMeansFit, fit_image_means
from labelcodec.codecs.transform.fit.sample import Sample
from labelcodec.codecs.transform.fit.subspace import Subspace
from labelcodec.codecs.transform.fit.tail_fit import fit_tail
from labelcodec.codecs.transform.format import (
    FINE,
    MAX_LEVEL,
    MAX_PEAK,
    MAX_SCORE,
    MAX_SHIFT,
    MEAN_SHIFT,
    MIN_POINT,
    TAIL,
)
from labelcodec.errors import DataError

BASIS_STEP = 1.25  # step of the basis over step / sqrt(labels): equal slope of error per bit
PEAK_STEP = 25.0  # step of the residuals in logits, over the square root of the price
PEAK_STEPS = (1 / 16, 4.0)
PRICES = (-17.0, -2.0)  # log2 of the range searched
NO_PEAKS = 1e9  # a price that no peak is worth
PRICE_SAMPLE = 1024  # labels
TAIL_SAMPLE = 1024  # labels
PRECISION = 12  # log2 of the units per standard deviation of the labels
MORE_PRECISION = 8  # further bits for the scales of a very fine basis
LEAST_SCALE = 16  # smallest scale, so that rounding it to an integer costs little


def fit_basis_tables(
    space: Subspace, rank: int, step: float, total: int, fine_bits: int = 0
) -> BasisTables:
    """Quantise a basis; the tail correction is left at zero.

    Args:
        space: principal axes, at least `rank` of them or all there are.
        rank: r.
        step: quantisation step of the stored coefficients, in logits.
        total: labels that share the basis; more labels justify a finer one.
        fine_bits: fractional bits of the coefficients below that step.

    Raises:
        DataError: a step so coarse or so fine that no basis vector is left.
    """
    spread = np.sqrt(space.variance[:rank])
    basis_step = BASIS_STEP * step / np.sqrt(total)
    fine = np.full(len(spread), basis_step)
    coarse = int(np.clip(PRECISION - np.floor(np.log2(space.deviation)), 5, 40))
    least = LEAST_SCALE * 2.0**fine_bits
    needed = np.ceil(np.log2(least * spread.max() / (step * fine[0])))
    highest = int(np.log2(MAX_SCORE / max(1.0, np.abs(space.mean).max())))  # the means must fit
    point = int(np.clip(needed, coarse, min(coarse + MORE_PRECISION, 40)))
    point = max(min(point, highest), MIN_POINT)
    axes = space.axes[:, :rank] * spread
    fine = np.maximum(fine, np.abs(axes).max(axis=0) / (MAX_LEVEL // 2))
    fine = np.maximum(fine, least * spread / (step * 2.0**point))
    basis = np.rint(axes / fine)
    used = int(np.cumprod(np.abs(basis).max(axis=0) > 0).sum())
    if not used:
        wrong = "coarse" if np.abs(axes[:, 0]).max() < basis_step else "fine"
        raise DataError(f"transform: step {step:g} is too {wrong} for these labels")
    scale = np.rint(np.ldexp(step * fine[:used] / spread[:used], point - fine_bits))
    return BasisTables(
        point,
        np.rint(np.ldexp(space.mean, point - MEAN_SHIFT)).astype(np.int64),
        basis[:, :used].astype(np.int16),
        np.maximum(scale, 1).astype(np.int64),
        1,
        np.zeros(TAIL, np.int32),
        min(point - 1, MAX_SHIFT),
    )


def with_price(basis: BasisTables, price: float) -> BasisTables:
    """The basis with the residual step that suits a price, in nats per bit."""
    step = float(np.clip(PEAK_STEP * np.sqrt(price), *PEAK_STEPS))
    return replace(basis, peak=min(max(round(step * 2.0**basis.point), 1), MAX_PEAK))


def fit_means_along(space: Subspace, sample: Sample) -> ImageMeansFit | None:
    """Fit image means along the axes; None if there are too few labels per image."""
    if sample.shown is None:
        return None
    axes = space.axes.astype(np.float32)
    return fit_image_means(sample, sample.centred @ axes - (space.mean @ axes).astype(np.float32))


def candidate_at(
    space: Subspace, images: ImageMeansFit | None, rank: int, step: float, total: int
) -> Candidate:
    """Build the candidate at a rank and step.

    Args:
        space: principal axes.
        images: fitted image means; None for a candidate without prediction.
        rank: coefficients per label.
        step: quantisation step in logits.
        total: labels that share the tables.

    Raises:
        DataError: the step is too coarse or too fine for the labels.
    """
    if images is None:
        return Candidate(fit_basis_tables(space, rank, step, total))
    basis = fit_basis_tables(space, rank, step, total, FINE)
    return Candidate(basis, images.table(basis, total))


class Fitted(NamedTuple):
    """A coder, and what it makes of the labels that it was fitted to."""

    coder: TransformCoder
    labels: TransformLabels


def fit_coder(
    candidate: Candidate, sample: Sample, price: float, analysis: Analysis | None = None
) -> Fitted:
    """Fit a coder to a candidate: tail correction, contexts and frequency tables.

    Args:
        candidate: basis and image means.
        sample: the labels to fit to.
        price: nats that a peak must save per bit.
        analysis: some of the labels quantised with the candidate, if that is known already.
    """
    if analysis is None:
        analysis = candidate.analyse(sample.at_once(TAIL_SAMPLE))
    candidate = replace(candidate, basis=with_price(candidate.basis, price))
    analysis = replace(analysis, basis=candidate.basis).spread(TAIL_SAMPLE)
    peaks = analysis.peaks(price)
    column = column_classes(analysis.compact(peaks).coded)
    candidate = replace(candidate, basis=fit_tail(analysis, peaks), zones=zones_of(column))
    compact = quantised(candidate, sample, price)
    model, known = ContextModel.fit([compact], column), sample.by_batch(compact)
    coder = TransformCoder(candidate.basis, model, price, means=candidate.means, known=known)
    return Fitted(coder, compact)


def quantised(candidate: Candidate, sample: Sample, price: float) -> TransformLabels:
    """The labels as a coder with the candidate's tables has them, at a price in nats per bit.

    In the blocks that a batch is analysed in, so that it gives the same to the last bit.
    """
    parts = (candidate.analyse(block) for block in sample.blocks(AT_ONCE))
    return joined([part.compact(part.peaks(price)) for part in parts])


def price_of(candidate: Candidate, sample: Sample, peaks: float) -> float:
    """The price at which labels have `peaks` peaks on average.

    Args:
        candidate: basis and step.
        sample: the labels that tables are fitted to.
        peaks: mean number of peaks per label, 0 and more.
    """
    return candidate.analyse(sample.at_once(PRICE_SAMPLE)).price_of(peaks) if peaks else NO_PEAKS

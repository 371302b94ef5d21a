"""Fitting the frame: quantised basis, correction of the tail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labelcodec.codecs.transform.analysis import MAX_EXPONENT, Analysis, Peaks
from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.design import Design
from labelcodec.codecs.transform.frame import (
    MAX_PEAK,
    MAX_SCORE,
    MAX_SHIFT,
    MEAN_SHIFT,
    MIN_POINT,
    TAIL,
    Frame,
)
from labelcodec.codecs.transform.imagefit import ImageFit, fit_images
from labelcodec.codecs.transform.matrix import MAX_LEVEL
from labelcodec.codecs.transform.plain.images import FINE
from labelcodec.codecs.transform.sample import CELLS, Sample
from labelcodec.codecs.transform.subspace import Subspace
from labelcodec.codecs.transform.symbols import Model, column_classes, zones_of
from labelcodec.errors import DataError

BASIS_STEP = 1.25  # of the basis, against step / sqrt(labels): where a bit saves as much error
TAIL_TEMPERATURE = np.float32(2)
PEAK_STEP = 25.0  # of the residuals in logits, against the square root of the price
PEAK_STEPS = (1 / 16, 4.0)
PRICES = (-17.0, -2.0)  # log2 of the range searched
NO_PEAKS = 1e9
PRICE_SAMPLE = 1024
TAIL_SAMPLE = 2048
BATCH = 512
PRECISION = 12  # bits of a unit below the labels' standard deviation
MORE_PRECISION = 8  # further bits where the basis is so fine that its scales need them
LEAST_SCALE = 16


def fit_frame(space: Subspace, rank: int, step: float, total: int, fine_bits: int = 0) -> Frame:
    """A frame without a correction of the tail.

    Args:
        space: of at least `rank` axes, or of all there are.
        rank: r.
        step: of what is coded of the coefficients, in logits.
        total: labels that share the basis: more of them pay for a finer one.
        fine_bits: of the coefficients below that step.

    Raises:
        DataError: a step so coarse, or so fine, that nothing is left of the basis.
    """
    spread = np.sqrt(space.variance[:rank])
    wanted = BASIS_STEP * step / np.sqrt(total)
    fine = np.full(len(spread), wanted)
    coarse = int(np.clip(PRECISION - np.floor(np.log2(space.deviation)), 5, 40))
    least = LEAST_SCALE * 2.0**fine_bits
    needed = np.ceil(np.log2(least * spread.max() / (step * fine[0])))
    highest = int(np.log2(MAX_SCORE / max(1.0, np.abs(space.mean).max())))  # means must fit
    point = int(np.clip(needed, coarse, min(coarse + MORE_PRECISION, 40)))
    point = max(min(point, highest), MIN_POINT)
    axes = space.axes[:, :rank] * spread
    fine = np.maximum(fine, np.abs(axes).max(axis=0) / (MAX_LEVEL // 2))
    fine = np.maximum(fine, least * spread / (step * 2.0**point))
    basis = np.rint(axes / fine)
    used = int(np.cumprod(np.abs(basis).max(axis=0) > 0).sum())
    if not used:
        wrong = "coarse" if np.abs(axes[:, 0]).max() < wanted else "fine"
        raise DataError(f"transform: step {step:g} is too {wrong} for these labels")
    scale = np.rint(np.ldexp(step * fine[:used] / spread[:used], point - fine_bits))
    return Frame(
        point,
        np.rint(np.ldexp(space.mean, point - MEAN_SHIFT)).astype(np.int64),
        basis[:, :used].astype(np.int16),
        np.maximum(scale, 1).astype(np.int64),
        1,
        np.zeros(TAIL, np.int32),
        min(point - 1, MAX_SHIFT),
    )


def with_price(frame: Frame, price: float) -> Frame:
    """The frame with residuals as fine as a bit may cost, in nats."""
    step = float(np.clip(PEAK_STEP * np.sqrt(price), *PEAK_STEPS))
    return replace(frame, peak=min(max(round(step * 2.0**frame.point), 1), MAX_PEAK))


def fit_tail(analysis: Analysis, peaks: Peaks) -> Frame:
    """The frame with the correction that leaves each distance its mass at temperature 2."""
    frame, true = analysis.frame, analysis.centred
    units = analysis.expand(peaks)
    group = np.minimum((units.max(axis=1, keepdims=True) - units) >> frame.shift, TAIL - 1)
    group[peaks.rows, peaks.classes] = TAIL
    full = frame.logits(units)
    base = true.max(axis=1, keepdims=True)
    p, q = (np.exp(np.minimum((z - base) / TAIL_TEMPERATURE, MAX_EXPONENT)) for z in (true, full))
    weight = 1 / p.sum(axis=1, keepdims=True)
    wanted, found = (
        np.bincount(group.ravel(), (mass * weight).ravel(), minlength=TAIL + 1)[:TAIL]
        for mass in (p, q)
    )
    seen = np.minimum(wanted, found) > 0
    ratio = np.where(seen, wanted, 1) / np.where(seen, found, 1)
    sixteenths = np.clip(np.rint(16 * TAIL_TEMPERATURE * np.log(ratio)), -128, 127)
    return replace(frame, tail=np.ldexp(sixteenths, frame.point - 4).astype(np.int32))


def fit_along(space: Subspace, sample: Sample) -> ImageFit | None:
    """Means of the images along the axes, where the sample shows images often enough."""
    if sample.shown is None:
        return None
    axes = space.axes.astype(np.float32)
    return fit_images(sample, sample.centred @ axes - (space.mean @ axes).astype(np.float32))


def designed(
    space: Subspace, images: ImageFit | None, rank: int, step: float, total: int
) -> Design:
    """The design of a rank and step, `total` labels sharing it."""
    if images is None:
        return Design(fit_frame(space, rank, step, total))
    frame = fit_frame(space, rank, step, total, FINE)
    return Design(frame, images.table(frame, total))


def finish(design: Design, sample: Sample, price: float) -> TransformCoder:
    """The coder of a design: correction of the tail, contexts, tables."""
    design = replace(design, frame=with_price(design.frame, price))
    some = design.analyse(sample.at_once(TAIL_SAMPLE))
    peaks = some.peaks(price)
    column = column_classes(some.compact(peaks).coded)
    design = replace(design, frame=fit_tail(some, peaks), zones=zones_of(column))
    size = max(1, min(BATCH, CELLS // sample.centred.shape[1]))
    parts = (design.analyse(sample[i : i + size]) for i in range(0, len(sample), size))
    compact = [part.compact(part.peaks(price)) for part in parts]
    return TransformCoder(design.frame, Model.fit(compact, column), price, means=design.means)


def price_of(design: Design, sample: Sample, peaks: float) -> float:
    """The price at which labels have so many peaks on average."""
    return design.analyse(sample.at_once(PRICE_SAMPLE)).price_of(peaks) if peaks else NO_PEAKS

"""Fitting of the dense2 codec: a basis, cells and frequency tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Precision
from labelcodec.codecs import float_bits
from labelcodec.codecs.dense2.coder import Dense2Coder, kernels
from labelcodec.codecs.dense2.format import (
    MAX_ENTRIES,
    MAX_MEAN,
    MAX_RANK,
    MAX_SYMBOLS,
    MAX_THRESHOLD,
    MAX_WEIGHT,
    CellModel,
)
from labelcodec.codecs.principal_axes import principal_axes
from labelcodec.entropy import coding, tables

FAR = 1e6  # larger magnitudes say nothing about correlated classes
POWER = 3  # rounds of the subspace iteration
CELL = 2.83  # cells per standard deviation of the residuals, at least
SHIFT = 10  # a cell is 1024 units wide
STEP = 2.5  # step of a coefficient in standard deviations of the residuals
NOISE = 0.28  # of the basis, for the same share of every column
CONTEXTS = 32
SIDE_BITS = 5.0  # per entry of the basis


@dataclass(frozen=True, eq=False)
class Axes:
    """Principal axes of labels.

    Attributes:
        mean: (C,) float64 mean label.
        vectors: (r, C) float64 orthonormal rows, by descending variance.
        variance: (r,) float64 variance along each.
        power: total variance of a label.
        rms: root mean square of all values.
    """

    mean: NDArray[np.float64]
    vectors: NDArray[np.float64]
    variance: NDArray[np.float64]
    power: float
    rms: float


def fit(
    batches: Sequence[Labels], classes: int, expected: int | None, rank: int | None
) -> Dense2Coder:
    """Fit the codec to sample labels.

    Args:
        batches: labels returned by `Dense2.prepare`; none give empty tables.
        classes: C.
        expected: number of labels that will share the tables; by default those of the sample.
        rank: number of axes; None to choose the one that costs least.
    """
    labels = sum(map(len, batches))
    precision: Precision = batches[0].precision if batches else "float16"
    most = min(MAX_RANK if rank is None else rank, MAX_ENTRIES // classes, classes, labels)
    axes = _principal_axes(batches, classes, most)
    if rank is None:
        most = _cheapest_rank(axes, max(expected or labels, 1))
    model, scales = _model(axes, most, precision)
    blank = tables.fit(np.zeros((1, 1), np.int64))
    coder = Dense2Coder(model, scales, blank, blank)
    return _with_tables(coder, batches)


def _clean(value: NDArray[Any]) -> NDArray[np.float32]:
    """Finite values within ±`FAR`."""
    wide = np.nan_to_num(value.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(wide, -FAR, FAR)


def _principal_axes(batches: Sequence[Labels], classes: int, rank: int) -> Axes:
    """Mean, power and the axes of most variance; no axes of labels that do not differ."""
    labels = max(sum(map(len, batches)), 1)
    mean, squares = np.zeros(classes), 0.0
    for batch in batches:
        part = _clean(batch.value).astype(np.float64)
        mean += part.sum(axis=0)
        squares += float(np.einsum("ij,ij->", part, part))
    mean /= labels
    power = max(squares / labels - float(mean @ mean), 0.0)
    rms = float(np.sqrt(squares / labels / classes))
    if not rank or not power:
        return Axes(mean, np.zeros((0, classes)), np.zeros(0), power, rms)

    def times(block: NDArray[np.float64]) -> NDArray[np.float64]:
        total, single = np.zeros(block.shape), block.astype(np.float32)
        for batch in batches:
            part = _clean(batch.value) - mean.astype(np.float32)
            total += part.T @ (part @ single)
        return total / labels

    columns, variance = principal_axes(times, classes, rank, POWER)
    return Axes(mean, columns.T, np.maximum(variance, 0.0), power, rms)


def _cheapest_rank(axes: Axes, labels: int) -> int:
    """The rank with the fewest bits per label, for Gaussian residuals and coefficients."""
    classes = len(axes.mean)
    best, least = 0, np.inf
    for rank in range(len(axes.variance) + 1):
        left = max(axes.power - float(axes.variance[:rank].sum()), 1e-9 * axes.power + 1e-30)
        spread = axes.variance[:rank] * classes / (left * STEP**2)  # in steps of a coefficient
        coefficients = 0.5 * np.log2(17.1 * spread + 1.0).sum()
        bits = classes / 2 * np.log2(left) + coefficients + rank * classes * SIDE_BITS / labels
        if bits < least:
            best, least = rank, bits
    return best


def _model(axes: Axes, rank: int, precision: Precision) -> tuple[CellModel, NDArray[np.int64]]:
    """Whole numbers for the axes: the model without contexts, and the coefficients' scales."""
    layout = float_bits.LAYOUTS[precision]
    classes, variance = len(axes.mean), axes.variance[:rank]
    left = max(axes.power - float(variance.sum()), 0.0) / classes
    deviation = max(float(np.sqrt(left)), axes.rms * 2.0**-24, 1e-30)
    octave = int(np.floor(np.log2(deviation / CELL)))
    octave = max(octave, int(np.floor(np.log2(max(axes.rms, 1e-30)))) - layout.mantissa)
    bias = (1 << (layout.width - layout.mantissa - 2)) - 1
    octave = int(np.clip(octave, 1 - bias, bias))
    unit = 2.0 ** (octave - SHIFT)
    vectors = axes.vectors[:rank]
    noise = NOISE * deviation / np.sqrt(np.maximum(variance, 1e-30) * max(rank, 1))
    entry = np.maximum(np.abs(vectors).max(axis=1, initial=1e-9) / 127, np.minimum(noise, 0.02))
    basis = np.clip(np.rint(vectors / entry[:, None]), -127, 127).astype(np.int8)
    scales = np.clip(np.rint(STEP * deviation * entry / unit), 1, MAX_WEIGHT).astype(np.int64)
    mean = np.clip(np.rint(axes.mean / unit), -MAX_MEAN, MAX_MEAN).astype(np.int32)
    none = np.zeros(0, np.int32)
    return CellModel(precision, basis, mean, SHIFT, octave + bias, none, 0), scales


def _with_tables(coder: Dense2Coder, batches: Sequence[Labels]) -> Dense2Coder:
    """The coder with contexts and frequency tables for these labels."""
    model, rank = coder.model, len(coder.scales)
    coefficients = [coder.coefficients_of(batch) for batch in batches]
    predicted = [
        kernels().dense2_predict(coder.weights(part), replace(model, shift=model.shift - 1))[0]
        for part in coefficients
    ]
    if predicted:
        sample = np.concatenate([half.ravel()[::16] for half in predicted])
        bounds = np.quantile(sample, np.arange(1, CONTEXTS) / CONTEXTS, method="nearest")
        thresholds = np.unique(np.clip(bounds, -MAX_THRESHOLD, MAX_THRESHOLD)).astype(np.int32)
        model = replace(model, thresholds=thresholds)
    model = replace(model, first=-(MAX_SYMBOLS // 2))
    shape = len(model.thresholds) + 1, MAX_SYMBOLS + 2
    wide = replace(coder, model=model, table=tables.fit(np.zeros((shape[0], shape[1] - 1), int)))
    counts, tokens = np.zeros(shape, np.int64), []
    for batch in batches:
        token, symbols = wide.symbols(batch, wide.coefficients_of(batch))
        counts += symbols.counts(*shape)
        tokens.append(token)
    used = np.flatnonzero(counts[:, 1:-1].sum(axis=0))
    low, high = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
    kept = np.concatenate([counts[:, :1], counts[:, 1 + low : 1 + high]], axis=1)
    return Dense2Coder(
        replace(model, first=model.first + low),
        coder.scales,
        coding.fit_tables(tokens, max(rank, 1)),
        tables.fit(kept),
    )

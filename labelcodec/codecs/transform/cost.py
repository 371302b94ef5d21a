"""Cost model of the transform codec: its size and fidelity on labels that were not measured.

The table in `measured` holds encodes of 10 000 labels of 1000 classes at several budgets and
bounds: with ten labels per image, predicted from stored image means, and with one label per
image, where no means are stored. A row is carried over to other labels part by part:

- The basis has one entry per class and axis, the means one per image and axis. The bits of an
  entry follow from its variance in squared steps, which grows with the number of labels that
  share the table (by calculation). The distortion that a coarser basis adds was measured on
  files of 3000 to 10 000 labels.
- The gain from image means depends on the number of labels per image that the means are fitted
  to, and on whether a label is among them. It was measured with 3 to 10 labels per image.
  Beyond that, fitted and unfitted labels are assumed to converge halfway between the two (by
  calculation).
- Labels of fewer classes need fewer axes at the same TV, and have a lower KL: measured for 100
  to 500 classes. Labels of more than 1000 classes are assumed to need as many axes as those of
  1000, like the synthetic labels of benchmarks/transform_large.py; nothing else was measured.

Every rule is checked against files outside the table (benchmarks/planner.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.cost import CLASSES, IMAGES, LABELS, LabelCost, LabelSetting
from labelcodec.codecs.fitting_sample import FIT_BYTES
from labelcodec.codecs.transform import Transform
from labelcodec.codecs.transform.fit.image_means_fit import LABELS_PER_IMAGE
from labelcodec.codecs.transform.fit.sample import HELD
from labelcodec.codecs.transform.measured import MEANS, NO_MEANS, SECONDS, TransformRow
from labelcodec.errors import ConfigError

# Powers of the ratio of classes, below 1000: for the number of axes and bytes, and for KL.
_EXPONENT, _EXPONENT_RISE, _MOST_EXPONENT = 0.45, 0.245, 0.8
_KL_EXPONENT = 0.12
_NOISE = 0.06  # relative TV from the basis' quantisation, which is coarser for fewer labels
# Loss of the means' gain: limit for many labels per image, and slope in their inverse.
_LOST_LIMIT, _LOST_RISE = 0.15, 1.4
_REACHED = 0.995  # share of a budget or bound that the encoder uses up
_ROUNDING = 0.02  # tolerance in log at the table's ends: encodes miss their targets slightly


class Spent(NamedTuple):
    """Predicted size and fidelity at one choice of rank, step and peaks.

    Attributes:
        peaks, values: bytes per label of the LABEL_INDEX and LABEL_VALUES streams.
        side: bytes of the side information.
        bytes: bytes per label, its share of the side information included.
        tv4: mean total variation to the full labels at temperature 4.
        kl1: mean KL divergence from the full labels at temperature 1, in nats.
    """

    peaks: float
    values: float
    side: float
    bytes: float
    tv4: float
    kl1: float


def cost(codec: Transform, setting: LabelSetting, labels: int) -> LabelCost:
    """Predict size and fidelity of a label set.

    Args:
        codec: configuration with a budget, a bound on tv4 or kl1, or bounds on both.
        setting: classes, images and precision of the labels.
        labels: number of labels in the file.

    Raises:
        ConfigError: a budget or bound outside the measured range, or a configuration that was not
            measured.
    """
    spent = spent_on(codec, setting, labels)
    return LabelCost(
        spent.peaks, spent.values, spent.side, spent.tv4, checked_beyond=True, seconds=SECONDS
    )


def spent_on(codec: Transform, setting: LabelSetting, labels: int) -> Spent:
    """Predict size and fidelity as `cost` does, with the peaks' and side information's bytes apart.

    Args:
        codec: configuration with a budget, a bound on tv4 or kl1, or bounds on both.
        setting: classes, images and precision of the labels.
        labels: number of labels in the file.

    Raises:
        ConfigError: a budget or bound outside the measured range, or a configuration that was not
            measured.
    """
    targets = codec.quality if codec.bytes is None else {**codec.quality, "bytes": codec.bytes}
    goals = {aim: _REACHED * value for aim, value in targets.items()}
    if set(goals) not in ({"bytes"}, {"tv4"}, {"kl1"}, {"tv4", "kl1"}):
        raise ConfigError("transform: only bytes=…, tv4=…, kl1=… or tv4=…,kl1=… can be predicted")
    curves = _curves(setting, labels)
    binding = {aim: x for aim, x in goals.items() if x <= max(_column(curves[aim], aim))}
    points = {aim: _met_at(curves[aim], aim, value) for aim, value in (binding or goals).items()}
    for met, point in points.items():
        if all(point[_field(aim)] <= value for aim, value in goals.items() if aim != met):
            return point
    at_tv4 = (_at(curve, "tv4", goals["tv4"]) for curve in curves.values())
    return _met_at([point for point in at_tv4 if point is not None], "kl1", goals["kl1"])


_field = Spent._fields.index


def _column(curve: Sequence[Spent], key: str) -> list[float]:
    return [point[_field(key)] for point in curve]


def _met_at(curve: Sequence[Spent], key: str, value: float) -> Spent:
    """The point of a curve where a budget or bound is met.

    Raises:
        ConfigError: the curve does not reach it.
    """
    point = _at(curve, key, value)
    if point is None:
        ends = _column(curve, key)
        raise ConfigError(
            f"transform: {key}={value / _REACHED:g} is beyond what was measured; predictable for "
            f"these labels: {min(ends):.3g}..{max(ends):.3g}"
        )
    return point


def _at(curve: Sequence[Spent], key: str, value: float) -> Spent | None:
    """Interpolate between neighbouring rows in logarithms; None outside the curve."""
    rows = np.log(np.array(sorted(curve, key=lambda point: point[_field(key)])))
    grid = rows[:, _field(key)]
    if not grid[0] - _ROUNDING <= log(value) <= grid[-1] + _ROUNDING:
        return None
    return Spent(*np.exp([np.interp(log(value), grid, column) for column in rows.T]).tolist())


def lost(image_labels: float, fitted: float) -> float:
    """Share of the image means' gain that is lost, compared with ten labels per image.

    Args:
        image_labels: labels per image that the means are fitted to, 2 or more.
        fitted: share of the labels that the means are fitted to, 0..1.

    Returns:
        0 for the full gain, 1 for none.
    """
    far = _LOST_RISE / image_labels
    return fitted * max(_LOST_LIMIT - far, 0) + (1 - fitted) * min(_LOST_LIMIT + far, 1)


def _losses(setting: LabelSetting, labels: int) -> list[float | None]:
    """The encoder's options: None for no image means, and the share of their gain that is lost."""
    held = FIT_BYTES // (setting.value_bytes * setting.classes)
    fitted: float = min(labels, Transform.fit_labels, held)
    if fitted < labels:
        fitted *= 1 - 1 / HELD  # the rest is held out to measure the tables
    if fitted < LABELS_PER_IMAGE * setting.images:
        return [None]
    return [None, lost(fitted / setting.images, fitted / labels)]


def _curves(setting: LabelSetting, labels: int) -> dict[str, list[Spent]]:
    """The table carried over to another label set, with image means if they save bytes."""
    options = [
        {
            aim: [
                _elsewhere(setting, labels, *pair, share)
                for pair in zip(rows, NO_MEANS[aim], strict=True)
            ]
            for aim, rows in MEANS.items()
        }
        for share in _losses(setting, labels)
    ]
    return min(options, key=lambda curves: sum(point.bytes for point in curves["tv4"]))


def _elsewhere(
    setting: LabelSetting, labels: int, means: TransformRow, none: TransformRow, share: float | None
) -> Spent:
    """Carry a table row over to another label set.

    Args:
        setting: classes, images and precision of the labels.
        labels: number of labels in the file.
        means: the row with image means.
        none: the row without.
        share: share of the means' gain that is lost; None without means.
    """
    classes = setting.classes
    wide, more_images = classes / CLASSES, setting.images / IMAGES
    fewer = min(wide, 1)
    noise = (1 + _NOISE * classes / labels) / (1 + _NOISE * CLASSES / LABELS)
    rise = _EXPONENT_RISE * (means.index + means.values) / classes
    axes = fewer ** min(_EXPONENT + rise, _MOST_EXPONENT)

    def carried(row: TransformRow) -> NDArray[np.float64]:
        basis = _table(row.basis, row.rank * CLASSES, wide * axes, labels / LABELS / wide)
        quality = row.tv4 * noise, row.kl1 * noise**2 * wide**_KL_EXPONENT
        side = basis + row.rest + classes - CLASSES
        return np.array([axes * row.index, axes * row.values, side, *quality])

    parts = carried(none)
    if share is not None:
        parts = (1 - share) * carried(means) + share * parts
        finer = labels / LABELS / more_images
        parts[2] += _table(means.means, means.rank * IMAGES, more_images * axes, finer)
    peaks, values, side, tv4, kl1 = parts.tolist()
    return Spent(peaks, values, side, peaks + values + side / labels, tv4, kl1)


def _table(size: float, entries: float, more: float, finer: float) -> float:
    """Scale the bytes of a measured table.

    Bits per entry are nearly those of a quantised normal variable: 4^bits - 1 is proportional to
    the variance in squared steps.

    Args:
        size: bytes of the measured table.
        entries: its number of entries.
        more: ratio of the numbers of entries.
        finer: ratio of the variances in squared steps.
    """
    bits = log2(1 + (4 ** (8 * size / entries) - 1) * finer) / 2
    return entries * more * bits / 8

"""What the transform codec takes of other labels than the measured ones.

The table has what budgets and qualities took of 10 000 labels of 1000 classes, once with ten labels
an image, predicted from stored means of the images, and once with one, where there are no means.
A choice is carried over to other labels part by part:

- the basis has an entry a class and axis, the means one an image and axis. An entry's bits follow
  its variance in squared steps, which grows with the labels that share the table (arithmetic). What
  a coarser basis adds to the distance was read off files of 3000 to 10 000 labels;
- how much is lost of what means gain follows the labels an image that they are fitted to, and
  whether a label is one of those: read off files with 3 to 10 labels an image. Beyond, both kinds
  are taken to meet halfway, where labels of more epochs would be (arithmetic);
- labels of fewer classes have fewer axes at the same TV, and less KL: read off files of 100 to 500.
  Those of more are taken to have as many axes as those of 1000, as the synthetic ones have that
  benchmarks/transform_large.py measures; nothing else was.

Each rule is held to files outside the table (benchmarks/planner.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform import Transform
from labelcodec.codecs.transform.imagefit import LABELS_AN_IMAGE
from labelcodec.codecs.transform.sample import HELD
from labelcodec.errors import ConfigError
from labelcodec.storage.plan.measured import (
    CLASSES,
    IMAGES,
    LABELS,
    MEANS,
    NO_MEANS,
    TransformRow,
)
from labelcodec.storage.plan.setting import Setting
from labelcodec.writer import FIT_BYTES

_EXPONENT, _EXPONENT_RISE, _MOST_EXPONENT = 0.45, 0.245, 0.8  # of fewer classes in axes and bytes
_KL_EXPONENT = 0.12  # and in KL
_NOISE = 0.06  # of the basis in TV, which fewer labels pay for less finely
_LOST_LIMIT, _LOST_RISE = 0.15, 1.4  # with endless labels an image; times their inverse
_REACHED = 0.995  # of what is asked for
_ROUNDING = 0.02  # beyond the ends of the table, which the encoder does not reach exactly


class Spent(NamedTuple):
    """What a choice of rank, step and peaks comes to.

    Attributes:
        peaks, values: bytes a label, for the peaks' places and for all else.
        side: bytes of the side information.
        bytes: of a label, its share of the side information included.
        tv4, kl1: mean distance to the full labels.
    """

    peaks: float
    values: float
    side: float
    bytes: float
    tv4: float
    kl1: float


def transform_cost(codec: Transform, setting: Setting, labels: int) -> Spent:
    """What `labels` labels of a data set take.

    Raises:
        ConfigError: a budget or quality beyond the measured ones, or settings that were not
            measured.
    """
    given = codec.quality if codec.bytes is None else {**codec.quality, "bytes": codec.bytes}
    wanted = {aim: _REACHED * value for aim, value in given.items()}
    if set(wanted) not in ({"bytes"}, {"tv4"}, {"kl1"}, {"tv4", "kl1"}):
        raise ConfigError("transform: only bytes=…, tv4=…, kl1=… or tv4=…,kl1=… can be predicted")
    curves = _curves(setting, labels)
    binding = {aim: x for aim, x in wanted.items() if x <= max(_column(curves[aim], aim))}
    found = {aim: _asked(curves[aim], aim, value) for aim, value in (binding or wanted).items()}
    for met, one in found.items():
        if all(one[_place(aim)] <= value for aim, value in wanted.items() if aim != met):
            return one
    known = (_at(curve, "tv4", wanted["tv4"]) for curve in curves.values())
    return _asked([one for one in known if one is not None], "kl1", wanted["kl1"])


_place = Spent._fields.index


def _column(curve: Sequence[Spent], key: str) -> list[float]:
    return [one[_place(key)] for one in curve]


def _asked(curve: Sequence[Spent], key: str, value: float) -> Spent:
    """The place on a curve where a budget or a quality is met."""
    found = _at(curve, key, value)
    if found is None:
        ends = _column(curve, key)
        raise ConfigError(
            f"transform: {key}={value / _REACHED:g} is beyond what was measured; predictable for "
            f"these labels: {min(ends):.3g}..{max(ends):.3g}"
        )
    return found


def _at(curve: Sequence[Spent], key: str, value: float) -> Spent | None:
    """Between the two nearest of a curve, all by logarithms; None outside of it."""
    rows = np.log(np.array(sorted(curve, key=lambda one: one[_place(key)])))
    places = rows[:, _place(key)]
    if not places[0] - _ROUNDING <= log(value) <= places[-1] + _ROUNDING:
        return None
    return Spent(*np.exp([np.interp(log(value), places, column) for column in rows.T]).tolist())


def lost(image_labels: float, fitted: float) -> float:
    """How much of what means of images gain is lost, against ten labels an image.

    Args:
        image_labels: labels an image that the means are fitted to, 2 and more.
        fitted: share of the labels that they are fitted to.
    """
    far = _LOST_RISE / image_labels
    return fitted * max(_LOST_LIMIT - far, 0) + (1 - fitted) * min(_LOST_LIMIT + far, 1)


def _losses(setting: Setting, labels: int) -> list[float | None]:
    """What means lose, None for none of them: what an encoder can choose from."""
    held = FIT_BYTES // (setting.value_bytes * setting.classes)
    fitted: float = min(labels, Transform.fit_labels, held)
    if fitted < labels:
        fitted *= 1 - 1 / HELD  # the rest is kept to try the tables on
    if fitted < LABELS_AN_IMAGE * setting.images:
        return [None]
    return [None, lost(fitted / setting.images, fitted / labels)]


def _curves(setting: Setting, labels: int) -> dict[str, list[Spent]]:
    """The table carried over to other labels, with means where those save bytes."""
    found = [
        {
            aim: [
                _elsewhere(setting, labels, *pair, share)
                for pair in zip(rows, NO_MEANS[aim], strict=True)
            ]
            for aim, rows in MEANS.items()
        }
        for share in _losses(setting, labels)
    ]
    return min(found, key=lambda curves: sum(one.bytes for one in curves["tv4"]))


def _elsewhere(
    setting: Setting, labels: int, means: TransformRow, none: TransformRow, share: float | None
) -> Spent:
    """A choice carried over to other labels; `share` is as `_losses` has it."""
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
    """Bytes of a table with so many times the entries, their variance so many times the steps'.

    Bits are those of quantised normal values, nearly: 4^bits - 1 is proportional to the variance.
    """
    bits = log2(1 + (4 ** (8 * size / entries) - 1) * finer) / 2
    return entries * more * bits / 8

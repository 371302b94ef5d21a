"""What labels take in the library's own codecs, extrapolated from files that were measured.

Labels of C classes are taken for a sample of the reference's 1000: their logits spread alike, so
that the k of C are the 1000 k / C of 1000, and neighbours in the ranking lie 1000 / C times as far
apart. Rules, each checked on files outside the table (benchmarks/planner.py):

- the classes of top-k labels take the same share of log2(C! / (C - k)!) bits as the reference's;
- a value with a step takes what it takes there with the step C / 1000 as large, one stored bit for
  bit log2(1000 / C) bits more than there;
- full logits take the same bits a value.

The rules of the transform codec are in `transform`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, lgamma, log, log2

import numpy as np

from labelcodec.codecs import registry
from labelcodec.codecs.dense import Dense
from labelcodec.codecs.topk import TopK
from labelcodec.codecs.transform import Transform
from labelcodec.errors import ConfigError
from labelcodec.storage.plan import measured
from labelcodec.storage.plan.measured import CLASSES, DENSE_VALUE, TOPK
from labelcodec.storage.plan.setting import Setting
from labelcodec.storage.plan.transform import transform_cost

# A float32 has 13 bits of mantissa more than a float16; nothing predicts them.
_MANTISSA_BYTES = 13 / 8


@dataclass(frozen=True)
class LabelCost:
    """What labels take.

    Attributes:
        index: bytes a label for its classes.
        values: bytes a label for its values.
        side: bytes of the side information.
        tv4: mean total variation to the full labels at tau = 4; None where nothing like it was
            measured.
    """

    index: float
    values: float
    side: float
    tv4: float | None


def topk_tv4(k: int, classes: int, step: float | None = None) -> float | None:
    """Total variation at tau = 4 of the k largest of C logits, the others without probability.

    None where more of the classes are kept than was measured, which is not all of them.
    """
    if k == classes and step is None:
        return 0.0
    alike = k * CLASSES / classes
    if alike > TOPK[None][-1].k:
        return None
    mass = 1 - _over_steps(step, lambda row: row.tv4, alike)
    return 1 - mass * min(alike, 1)  # what is left of the largest, where classes are many


def label_cost(spec: str, setting: Setting, labels: int) -> LabelCost:
    """What `labels` labels of a data set take.

    Raises:
        ConfigError: a spec that does not parse, or that cannot be predicted.
    """
    codec = registry.parse(spec)
    match codec:
        case Dense():
            value = DENSE_VALUE + (_MANTISSA_BYTES if setting.precision == "float32" else 0)
            side = measured.DENSE_SIDE + measured.DENSE_SIDE_CLASS * setting.classes
            return LabelCost(0, value * setting.classes, side, 0.0)
        case TopK():
            return _topk(codec, setting)
        case Transform():
            spent = transform_cost(codec, setting, labels)
            return LabelCost(spent.peaks, spent.values, spent.side, spent.tv4)
    raise ConfigError(f"{spec}: there is no prediction for this codec")


def _topk(codec: TopK, setting: Setting) -> LabelCost:
    k, classes = codec.k, setting.classes
    if k is None or k > classes:
        raise ConfigError(f"topk: give k, 1..{classes} for labels of {classes} classes")
    alike, far = k * CLASSES / classes, CLASSES / classes
    step = None if codec.step is None else codec.step / far
    share = _over_steps(step, lambda row: row.index / _ideal(row.k, CLASSES), alike)
    value = exp(_over_steps(step, lambda row: log(row.values / row.k), alike))
    if step is None:
        value = max(value + log2(far) / 8, 0.0)
        value += _MANTISSA_BYTES if setting.precision == "float32" else 0
    floor = setting.value_bytes if codec.tail == "floor" else 0
    side = measured.TOPK_SIDE + measured.TOPK_SIDE_CLASS * classes
    tv4 = topk_tv4(k, classes, step) if codec.tail == "zero" else None
    return LabelCost(share * _ideal(k, classes), value * k + floor, side, tv4)


def _ideal(k: int, classes: int) -> float:
    """Bytes of k of C classes in some order, all alike."""
    return (lgamma(classes + 1) - lgamma(classes - k + 1)) / log(2) / 8


def _over_steps(step: float | None, figure: Callable[[measured.TopKRow], float], k: float) -> float:
    """A figure between the measured k and steps, both by their logarithms."""
    if step is None:
        return _between(k, [(row.k, figure(row)) for row in TOPK[None]])
    columns = [
        (size, _between(k, [(row.k, figure(row)) for row in rows]))
        for size, rows in TOPK.items()
        if size is not None
    ]
    return _between(step, columns)


def _between(x: float, points: list[tuple[float, float]]) -> float:
    """Linear in log x between the points, the nearest one outside of them."""
    places, values = zip(*points, strict=True)
    return float(np.interp(log(x), np.log(places), values))

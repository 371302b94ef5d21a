"""Cost model of the topk codec: its size and fidelity on labels that were not measured.

Classes are assumed to take the same share of log2(C! / (C - k)!) bits as in the measured labels
of 1000 classes. Quantised values take as many bits as measured ones do with a step C / 1000
times as large; bit-exact values take log2(1000 / C) bits more than measured ones.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, lgamma, log, log2

import numpy as np

from labelcodec.codecs.cost import CLASSES, MANTISSA_BYTES, LabelCost, LabelSetting
from labelcodec.codecs.topk import measured
from labelcodec.codecs.topk.codec import TopK
from labelcodec.codecs.topk.measured import TOPK
from labelcodec.errors import ConfigError
from labelcodec.wording import counted


def tv4_of_largest(k: int, classes: int, step: float | None = None) -> float | None:
    """Mean total variation at temperature 4 of top-k labels with tail 'zero'.

    Args:
        k: number of classes kept, 1..classes.
        classes: C.
        step: quantisation step in logits; None for exact values.

    Returns:
        The total variation to the full labels; None if a larger share of the classes is kept than
        was measured, unless all are.
    """
    if k == classes and step is None:
        return 0.0
    alike = k * CLASSES / classes
    if alike > TOPK[None][-1].k:
        return None
    mass = 1 - _over_steps(step, lambda row: row.tv4, alike)
    return 1 - mass * min(
        alike, 1
    )  # below the smallest measured k, mass is taken as proportional to k


def cost(codec: TopK, setting: LabelSetting, labels: int) -> LabelCost:
    """Predict size and fidelity of a label set.

    Args:
        codec: configuration with k.
        setting: classes, images and precision of the labels.
        labels: number of labels in the file.

    Raises:
        ConfigError: no k, or more than there are classes.
    """
    k, classes = codec.k, setting.classes
    if k is None or k > classes:
        raise ConfigError(f"topk: give k, 1..{classes} for labels of {counted(classes, 'class')}")
    alike, far = k * CLASSES / classes, CLASSES / classes
    step = None if codec.step is None else codec.step / far
    share = _over_steps(step, lambda row: row.index / _ideal(row.k, CLASSES), alike)
    value = exp(_over_steps(step, lambda row: log(row.values / row.k), alike))
    if step is None:
        value = max(value + log2(far) / 8, 0.0)
        value += MANTISSA_BYTES if setting.precision == "float32" else 0
    floor = setting.value_bytes if codec.tail in ("floor", "mass") else 0
    side = measured.SIDE + measured.SIDE_PER_CLASS * classes
    tv4 = tv4_of_largest(k, classes, step) if codec.tail == "zero" else None
    index = share * _ideal(k, classes)
    return LabelCost(index, value * k + floor, side, tv4, seconds=measured.SECONDS)


def _ideal(k: int, classes: int) -> float:
    """Bytes of an ordered selection of k out of C equiprobable classes."""
    return (lgamma(classes + 1) - lgamma(classes - k + 1)) / log(2) / 8


def _over_steps(step: float | None, figure: Callable[[measured.TopKRow], float], k: float) -> float:
    """Interpolate a measured figure between values of k and of the step, both on log scales."""
    if step is None:
        return _between(k, [(row.k, figure(row)) for row in TOPK[None]])
    columns = [
        (size, _between(k, [(row.k, figure(row)) for row in rows]))
        for size, rows in TOPK.items()
        if size is not None
    ]
    return _between(step, columns)


def _between(x: float, points: list[tuple[float, float]]) -> float:
    """Interpolate linearly in log x, clamping to the nearest point outside the range."""
    grid, values = zip(*points, strict=True)
    return float(np.interp(log(x), np.log(grid), values))

"""Mix partners, Beta-distributed ratios and boxes as SRe2L draws them (SPEC, section 12.6)."""

from __future__ import annotations

import math
from itertools import count
from typing import Literal

import numpy as np

from labelcodec.augment.order import permutation
from labelcodec.augment.philox import Purpose, Source, below
from labelcodec.augment.powers import power
from labelcodec.batch import Mix

AT_ONCE = 16  # tries


def draw_mix(
    source: Source,
    kind: Literal["cutmix", "mixup"],
    alpha: float,
    samples: int,
    size: tuple[int, int],
) -> Mix:
    """How a batch of `samples` images of `size` (height, width) pixels is mixed."""
    partner = permutation(source, Purpose.PARTNER, samples)
    ratio = draw_ratio(source, alpha)
    box = draw_box(source, ratio, size) if kind == "cutmix" else None
    return Mix(kind, partner, ratio, box)


def draw_ratio(source: Source, alpha: float) -> float:
    """A draw of Beta(alpha, alpha), alpha in 0.1..4, by Jöhnk's method.

    M. D. Jöhnk, "Erzeugung von betaverteilten und gammaverteilten Zufallszahlen", Metrika 8
    (1964): of x = u^(1/alpha) and y = v^(1/alpha) the first pair with x + y <= 1 gives
    x / (x + y). For alpha = 1 that is uniform.
    """
    exponent = 1 / alpha
    whole = int(exponent)
    bits = int((exponent - whole) * 2.0**32)
    for start in count(0, AT_ONCE):
        words = source.words(Purpose.RATIO, np.arange(start, start + AT_ONCE)).astype(np.uint64)
        numbers = words[:, ::2] << np.uint64(20) | words[:, 1::2] >> np.uint64(12)
        x, y = power((numbers + 0.5) / 2.0**52, whole, bits).T
        good = np.flatnonzero(x + y <= 1)
        if len(good):
            return float(x[good[0]] / (x[good[0]] + y[good[0]]))
    raise AssertionError  # count() has no end


def draw_box(source: Source, ratio: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """CutMix's box (row0, row1, column0, column1): a share 1 - ratio of the area, then clipped."""
    words = source.words(Purpose.BOX, np.zeros(1, np.int64))[0]
    edges = []
    for side, word in zip(size, words[:2], strict=True):
        half = int(side * math.sqrt(1 - ratio)) // 2
        centre = int(below(word, side))
        edges += [max(centre - half, 0), min(centre + half, side)]
    row0, row1, column0, column1 = edges
    return row0, row1, column0, column1

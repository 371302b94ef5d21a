"""Random resized crops by torchvision's rule (SPEC, section 12.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.augment.philox import Purpose, Source, below, fraction
from labelcodec.augment.powers import power

TRIES = 10
STRIDE = 1 << 16  # between the words of a sample's tries


def draw_crops(
    source: Source,
    sizes: NDArray[np.int32],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> NDArray[np.int32]:
    """(B, 4) top, left, height, width in pixels.

    A share of the area and a ratio of width to height, uniform in its logarithm, are drawn until
    such a box fits, ten times at most; failing that, the largest centred box whose ratio is in
    the range.

    Args:
        source: the batch's random words.
        sizes: (B, 2) height, width of the images.
        scale: smallest and largest share of the area.
        ratio: smallest and largest width / height.
    """
    box = _central(sizes, ratio)
    waiting = np.arange(len(sizes))
    for attempt in range(TRIES):
        words = source.words(Purpose.CROP, waiting + STRIDE * attempt)
        height, width = sizes[waiting].astype(np.int64).T
        area = height * width * (scale[0] + (scale[1] - scale[0]) * fraction(words[:, 0]))
        aspect = ratio[0] * power(ratio[1] / ratio[0], 0, words[:, 1])
        wide, high = np.rint(np.sqrt(area * aspect)), np.rint(np.sqrt(area / aspect))
        fits = (wide > 0) & (wide <= width) & (high > 0) & (high <= height)
        columns, rows = wide[fits].astype(np.int64), high[fits].astype(np.int64)
        top = below(words[fits, 2], height[fits] - rows + 1)
        left = below(words[fits, 3], width[fits] - columns + 1)
        box[waiting[fits]] = np.stack([top, left, rows, columns], axis=1)
        waiting = waiting[~fits]
        if not len(waiting):
            break
    return box


def _central(sizes: NDArray[np.int32], ratio: tuple[float, float]) -> NDArray[np.int32]:
    height, width = sizes.astype(np.float64).T
    found = width / height
    rows = np.where(found < ratio[0], np.maximum(np.rint(width / ratio[0]), 1), height)
    columns = np.where(found > ratio[1], np.maximum(np.rint(height * ratio[1]), 1), width)
    box = np.stack([(height - rows) // 2, (width - columns) // 2, rows, columns], axis=1)
    return box.astype(np.int32)

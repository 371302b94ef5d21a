"""Random resized crops, drawn by torchvision's rule (SPEC, section 12.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.exact_pow import power
from labelcodec.augmentation.philox import Purpose, Source, below, fraction

TRIES = 10
STRIDE = 1 << 16  # between the word indices of a sample's attempts


def draw_crops(
    source: Source,
    sizes: NDArray[np.int32],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> NDArray[np.int32]:
    """Draw crop boxes.

    A share of the area and a ratio of width to height, uniform in its logarithm, are drawn until
    such a box fits, at most ten times. If none fits, the box is the largest centred one whose ratio
    is in the range.

    Args:
        source: the batch's random words.
        sizes: (B, 2) heights and widths of the images in pixels.
        scale: smallest and largest share of the area.
        ratio: smallest and largest ratio of width to height.

    Returns:
        (B, 4) int32 top, left, height, width in pixels.
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
    """(B, 4) largest centred boxes whose ratio is in the range."""
    height, width = sizes.astype(np.float64).T
    aspect = width / height
    rows = np.where(aspect < ratio[0], np.maximum(np.rint(width / ratio[0]), 1), height)
    columns = np.where(aspect > ratio[1], np.maximum(np.rint(height * ratio[1]), 1), width)
    box = np.stack([(height - rows) // 2, (width - columns) // 2, rows, columns], axis=1)
    return box.astype(np.int32)

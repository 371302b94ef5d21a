"""JPEG files decoded by simplejpeg, where it is installed and gives Pillow's levels.

Both use libjpeg-turbo, but simplejpeg takes half the time. It is not used for what the two convert
differently (CMYK), for files that it finds damaged or unusual, which Pillow may read all the same,
and not at all where a trial shows that Pillow was built with another decoder.
"""

from __future__ import annotations

import io
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

MAGIC = b"\xff\xd8"
SPACES = ("YCbCr", "RGB", "Gray")
MOST_PIXELS = 1 << 26  # Pillow decides about larger images
SIDE = 40  # pixels of the trial's images


def fast_levels(content: bytes) -> NDArray[np.uint8] | None:
    """Decode a JPEG file.

    Args:
        content: the file.

    Returns:
        (H, W, 3) uint8, the levels that Pillow gives; None if Pillow has to decode the file.
    """
    if not content.startswith(MAGIC) or (decoder := _decoder()) is None:
        return None
    try:
        height, width, space, _ = decoder.decode_jpeg_header(content)
        if space not in SPACES or height * width > MOST_PIXELS:
            return None
        levels: NDArray[np.uint8] = decoder.decode_jpeg(content)
    except ValueError:
        return None
    return levels


@cache
def _decoder() -> ModuleType | None:
    """simplejpeg, if it is there and agrees with Pillow."""
    try:
        import simplejpeg

        return simplejpeg if _agrees(simplejpeg) else None
    except Exception:  # not installed, or broken
        return None


def _agrees(decoder: ModuleType) -> bool:
    """Whether a decoder gives Pillow's levels of small images of every usual kind."""
    from PIL import Image

    row, column = np.mgrid[:SIDE, : SIDE + 3]
    noise = (row * 7919 + column * 104729) % 97
    planes = [row * 6, column * 5, (row // 6 + column // 5) % 2 * 150 + noise]
    image = Image.fromarray(np.stack(planes, 2).astype(np.uint8))
    for subsampling in (0, 1, 2):  # 4:4:4, 4:2:2, 4:2:0
        for progressive in (False, True):
            file = io.BytesIO()
            image.save(file, "JPEG", quality=85, subsampling=subsampling, progressive=progressive)
            if not np.array_equal(
                decoder.decode_jpeg(file.getvalue()), np.asarray(Image.open(file))
            ):
                return False
    return True

"""Decoded pixels of a sample of images, to recognise images that were saved again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.extras import needing_extra
from labelcodec.images import ImageListing

DIGESTED, COLOURED, CELLS = 64, 16, 4
COLOUR_BYTES = 3 * CELLS * CELLS


@dataclass(frozen=True)
class PixelSample:
    """What is kept of the pixels of an image folder (SPEC, section 4.1, key `pixels`).

    Attributes:
        digest: SHA-256 (hex) of the sizes and pixels of up to 64 images, spread over the folder.
        colours: mean red, green and blue of the 4 x 4 cells of up to 16 images, 48 bytes each.
    """

    digest: str
    colours: bytes

    def to_map(self) -> dict[str, Any]:
        """The header's map."""
        return {"digest": self.digest, "colours": self.colours}

    def difference(self, other: PixelSample) -> float:
        """Largest over the images of the mean difference of their cells, in grey levels 0..255.

        Infinity for samples of different numbers of images.
        """
        if len(self.colours) != len(other.colours):
            return math.inf
        left, right = (
            np.frombuffer(sample.colours, np.uint8).reshape(-1, COLOUR_BYTES).astype(np.int64)
            for sample in (self, other)
        )
        return float(np.abs(left - right).mean(axis=1).max(initial=0.0))


def pixel_sample(listing: ImageListing) -> PixelSample:
    """Decode a sample of a folder's images.

    Raises:
        MissingExtraError: Pillow is not installed.
        MismatchError: a file is not an image.
    """
    with needing_extra("comparing images by their pixels"):
        import PIL  # noqa: F401

    digest, colours = hashlib.sha256(), b""
    coloured = _spread(len(listing), COLOURED)
    for i in sorted({*_spread(len(listing), DIGESTED), *coloured}):
        pixels = listing.pixels(i)
        if i in _spread(len(listing), DIGESTED):
            digest.update(np.array(pixels.shape[:2], "<u4").tobytes() + pixels.tobytes())
        if i in coloured:
            colours += cell_means(pixels).tobytes()
    return PixelSample(digest.hexdigest(), colours)


def sample_of(data: Mapping[str, Any]) -> PixelSample:
    """The sample in a header's map.

    Raises:
        ValueError: not a string and whole images' bytes.
    """
    digest, colours = data.get("digest"), data.get("colours")
    if not isinstance(digest, str) or not isinstance(colours, bytes):
        raise ValueError
    if len(colours) % COLOUR_BYTES or len(colours) > COLOURED * COLOUR_BYTES:
        raise ValueError
    return PixelSample(digest, colours)


def cell_means(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(4, 4, 3) uint8 mean colours of the cells of (H, W, 3) uint8 pixels, rounded half up.

    Cell i of n pixels covers those from i n // 4 up to (i + 1) n // 4, at least one.
    """
    means = np.empty((CELLS, CELLS, 3), np.uint8)
    rows, columns = (_cells(side) for side in pixels.shape[:2])
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            cell = pixels[row, column].reshape(-1, 3).astype(np.int64)
            means[i, j] = (2 * cell.sum(axis=0) + len(cell)) // (2 * len(cell))
    return means


def _cells(side: int) -> list[slice]:
    starts = [i * side // CELLS for i in range(CELLS + 1)]
    return [slice(a, max(b, a + 1)) for a, b in pairwise(starts)]


def _spread(images: int, most: int) -> list[int]:
    count = min(images, most)
    return [i * images // count for i in range(count)]

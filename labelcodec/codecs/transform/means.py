"""The mean coefficients of every image, which its labels are predicted from (SPEC, section 9.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs import columns
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.transform import matrix
from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.plain.images import EIGHTHS
from labelcodec.codecs.transform.shown import MAX_SIDE, Shown, shown
from labelcodec.entropy import varint
from labelcodec.errors import CorruptError

PART = "means"
MAX_KEPT = 255
KEPT_BITS = 7
MAX_UNIT = 1 << 20


@dataclass(frozen=True, eq=False)
class Means:
    """What the labels of an image have in common.

    Attributes:
        size: (height, width) of the pictures in pixels.
        kept: (8,) int64 0..255, by crop: how much of an image's mean its labels keep, in 128ths.
        unit: (r,) int64 what an entry of each column stands for, in eighths of a step.
        entries: (K, r) int16, a row an image.
    """

    size: tuple[int, int]
    kept: NDArray[np.int64]
    unit: NDArray[np.int64]
    entries: NDArray[np.int16]

    def predict(self, shown: Shown) -> NDArray[np.int32]:
        """(B, r) coefficients in eighths of a step; images without a mean add nothing."""
        predicted: NDArray[np.int32] = kernels().mixed(
            self.entries, self.unit, self.kept, shown.image, shown.part, shown.crop
        )
        return predicted

    def of(self, pictures: Pictures) -> NDArray[np.int32]:
        """(B, r) coefficients of the labels of a batch, in eighths of a step."""
        return self.predict(shown(pictures, self.size))

    def dump(self) -> bytes:
        """The part of the side information."""
        numbers = (len(self.entries), *self.size)
        packed = columns.pack_ints(self.kept) + columns.pack_ints(self.unit)
        return b"".join(map(varint.encode, numbers)) + packed + matrix.dump(self.entries)

    @classmethod
    def load(cls, parts: Mapping[str, bytes], rank: int) -> Means | None:
        """Inverse of `dump`; None where the part is absent.

        Raises:
            CorruptError: a malformed part, or numbers out of range.
        """
        data = parts.get(PART)
        if data is None:
            return None
        position, numbers = 0, []
        for _ in range(3):
            number, position = varint.decode(data, position)
            numbers.append(number)
        images, height, width = numbers
        if not 0 < images <= matrix.MAX_ENTRIES // rank:
            raise CorruptError(f"means of {images} images")
        if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
            raise CorruptError(f"means of images in pictures of {height} x {width} pixels")
        kept, rest = columns.unpack_ints(memoryview(data)[position:], EIGHTHS)
        unit, rest = columns.unpack_ints(rest, rank)
        if np.any((kept < 0) | (kept > MAX_KEPT)) or np.any((unit < 1) | (unit > MAX_UNIT)):
            raise CorruptError("means of images with impossible scales")
        return cls((height, width), kept, unit, matrix.load(rest, images, rank, "means of images"))

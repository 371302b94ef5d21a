"""Mean coefficients per image, from which its labels are predicted (SPEC, section 9.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.transform import matrix
from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.format import EIGHTHS, MAX_ENTRIES, MAX_KEPT, MAX_SIDE, MAX_UNIT
from labelcodec.codecs.transform.image_mixture import ImageMixture, image_mixture
from labelcodec.entropy import packing, varint
from labelcodec.errors import CorruptError
from labelcodec.wording import counted

PART = "means"


@dataclass(frozen=True, eq=False)
class ImageMeans:
    """Mean coefficients of the labels of each image.

    Attributes:
        size: (height, width) of the network input in pixels.
        kept: (8,) int64 share of an image's mean that its labels keep, by crop class; 0..255, in
            128ths.
        unit: (r,) int64 value of one entry of each column, in eighths of a quantisation step.
        entries: (K, r) int16 quantised means, one row per image.
    """

    size: tuple[int, int]
    kept: NDArray[np.int64]
    unit: NDArray[np.int64]
    entries: NDArray[np.int16]

    def predict(self, shown: ImageMixture) -> NDArray[np.int32]:
        """Predict coefficients from the mixtures of images; images without a mean count as zero.

        Args:
            shown: the mixtures of B network inputs.

        Returns:
            (B, r) int32 coefficients in eighths of a quantisation step.
        """
        predicted: NDArray[np.int32] = kernels().mixed(
            self.entries, self.unit, self.kept, shown.image, shown.part, shown.crop
        )
        return predicted

    def of(self, context: BatchContext) -> NDArray[np.int32]:
        """(B, r) int32 predictions for the labels of a batch, in eighths of a quantisation step."""
        return self.predict(image_mixture(context, self.size))

    def to_bytes(self) -> bytes:
        """Serialize to the part `means` of the side information."""
        numbers = (len(self.entries), *self.size)
        packed = packing.pack_ints(self.kept) + packing.pack_ints(self.unit)
        return b"".join(map(varint.encode, numbers)) + packed + matrix.to_bytes(self.entries)

    @classmethod
    def from_parts(cls, parts: Mapping[str, bytes], rank: int) -> ImageMeans | None:
        """Deserialize the part that `to_bytes` wrote.

        Args:
            parts: the named parts of the side information.
            rank: r.

        Returns:
            The means; None if there is no such part.

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
        if not 0 < images <= MAX_ENTRIES // rank:
            raise CorruptError(f"means of {counted(images, 'image')}")
        if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
            raise CorruptError(f"means of images in pictures of {height} x {width} pixels")
        kept, rest = packing.unpack_ints(memoryview(data)[position:], EIGHTHS)
        unit, rest = packing.unpack_ints(rest, rank)
        if np.any((kept < 0) | (kept > MAX_KEPT)) or np.any((unit < 1) | (unit > MAX_UNIT)):
            raise CorruptError("means of images with impossible scales")
        return cls(
            (height, width), kept, unit, matrix.from_bytes(rest, images, rank, "means of images")
        )

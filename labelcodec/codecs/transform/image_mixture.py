"""Image mixtures: which images, cropped how, make up each network input (SPEC, section 9.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.crop import Crop
from labelcodec.augmentation.mix import Mix
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.format import EIGHTHS, WHOLE


@dataclass(frozen=True, eq=False)
class ImageMixture:
    """The two images in each of B network inputs: the sample's own and its mix partner's.

    Attributes:
        image: (B, 2) int64 image indices.
        part: (B, 2) int64 share of each image in the input, in 256ths; the shares add up to 256.
        crop: (B, 2) int64 crop class: the area of the crop in eighths of the image's, 0..7,
            rounded down.
    """

    image: NDArray[np.int64]
    part: NDArray[np.int64]
    crop: NDArray[np.int64]

    def __len__(self) -> int:
        """B, the number of network inputs."""
        return len(self.image)

    def __getitem__(self, rows: slice | NDArray[Any]) -> ImageMixture:
        """A selection of the rows."""
        return ImageMixture(self.image[rows], self.part[rows], self.crop[rows])


def image_mixture(context: BatchContext, size: tuple[int, int]) -> ImageMixture:
    """The image mixtures of a batch, in integers only.

    Args:
        context: image indices and augmentation of the batch.
        size: (height, width) of the network input in pixels.
    """
    index, mix = context.image_index, context.augmentation.mix
    partner = np.arange(len(index)) if mix is None else mix.partner
    own = WHOLE if mix is None else _own_part(mix, size)
    crops = _eighths(context.augmentation.crop, len(index))
    return ImageMixture(
        _with_partner(index, partner),
        np.full((len(index), 2), (own, WHOLE - own)),
        _with_partner(crops, partner),
    )


def _with_partner(values: NDArray[np.int64], partner: NDArray[np.int64]) -> NDArray[np.int64]:
    """(B, 2) value of each sample and of its mix partner."""
    pairs = np.empty((len(values), 2), np.int64)
    pairs[:, 0], pairs[:, 1] = values, values[partner]
    return pairs


def concatenate(parts: list[ImageMixture]) -> ImageMixture:
    """Join the image mixtures of several batches."""
    image, part, crop = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("image", "part", "crop")
    )
    return ImageMixture(image, part, crop)


def _own_part(mix: Mix, size: tuple[int, int]) -> int:
    """Share of a sample's own image after mixing, in 256ths (SPEC, clause X-20)."""
    if mix.box is None:
        ratio = 1.0 if np.isnan(mix.ratio) else min(max(float(mix.ratio), 0.0), 1.0)
        return int(WHOLE * ratio + 0.5)
    row0, row1, column0, column1 = mix.box
    rows, columns = _overlap(row0, row1, size[0]), _overlap(column0, column1, size[1])
    pixels = size[0] * size[1]
    return WHOLE - (WHOLE * rows * columns + pixels // 2) // pixels


def _overlap(start: int, stop: int, length: int) -> int:
    """Length of the part of start..stop inside 0..length."""
    return max(min(stop, length) - max(start, 0), 0)


def _eighths(crop: Crop | None, samples: int) -> NDArray[np.int64]:
    """(B,) crop class of each sample (SPEC, clause X-21)."""
    if crop is None:
        return np.full(samples, EIGHTHS - 1)
    eighths: NDArray[np.int64]
    if crop.size is not None:
        eighths = kernels().eighths(crop.box, crop.size)
        return eighths
    with np.errstate(invalid="ignore"):
        share = np.prod(crop.box[:, 2:].astype(np.float64), axis=1)
    fraction = np.nan_to_num(np.clip(EIGHTHS * share, 0, EIGHTHS), nan=EIGHTHS)
    eighths = np.minimum(fraction.astype(np.int64), EIGHTHS - 1)
    return eighths

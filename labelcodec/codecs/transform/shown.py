"""What the network saw: which images each picture of a batch is made of (SPEC, section 9.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Crop, Mix
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.plain.images import EIGHTHS

WHOLE = 256  # parts of a picture
MAX_SIDE = 1 << 20


@dataclass(frozen=True, eq=False)
class Shown:
    """The two images that a picture shows: the sample's own, and its mix partner's.

    Attributes:
        image: (B, 2) int64 indices.
        part: (B, 2) int64 parts of the picture, out of 256 together.
        crop: (B, 2) int64 how much of the image the crop holds: 0 for less than an eighth, ... 7
            for seven eighths or more.
    """

    image: NDArray[np.int64]
    part: NDArray[np.int64]
    crop: NDArray[np.int64]

    def __len__(self) -> int:
        """B, the number of pictures."""
        return len(self.image)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Shown:
        """Some of the pictures."""
        return Shown(self.image[rows], self.part[rows], self.crop[rows])


def shown(pictures: Pictures, size: tuple[int, int]) -> Shown:
    """The images in the pictures, whose height and width are `size`; whole numbers only."""
    index, mix = pictures.image_index, pictures.augmentation.mix
    partner = np.arange(len(index)) if mix is None else mix.partner
    own = WHOLE if mix is None else _own_part(mix, size)
    crops = _eighths(pictures.augmentation.crop, len(index))
    return Shown(*kernels().pairs(index, partner, own, WHOLE - own, crops))


def join(parts: list[Shown]) -> Shown:
    """The pictures of several batches."""
    image, part, crop = (
        np.concatenate([getattr(one, name) for one in parts]) for name in ("image", "part", "crop")
    )
    return Shown(image, part, crop)


def _own_part(mix: Mix, size: tuple[int, int]) -> int:
    if mix.box is None:
        ratio = 1.0 if np.isnan(mix.ratio) else min(max(float(mix.ratio), 0.0), 1.0)
        return int(WHOLE * ratio + 0.5)
    row0, row1, column0, column1 = mix.box
    rows, columns = _overlap(row0, row1, size[0]), _overlap(column0, column1, size[1])
    pixels = size[0] * size[1]
    return WHOLE - (WHOLE * rows * columns + pixels // 2) // pixels


def _overlap(start: int, stop: int, side: int) -> int:
    return max(min(stop, side) - max(start, 0), 0)


def _eighths(crop: Crop | None, samples: int) -> NDArray[np.int64]:
    """(B,) class of each crop."""
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

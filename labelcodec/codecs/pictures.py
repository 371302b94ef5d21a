"""What the network saw: which images each picture of a batch is made of (SPEC, section 9.5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Augmentation

WHOLE = 256  # parts of a picture
EIGHTHS = 8
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

    def __getitem__(self, rows: slice) -> Shown:
        """Some of the pictures."""
        return Shown(self.image[rows], self.part[rows], self.crop[rows])


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of a batch.

    Attributes:
        image_index: (B,) int64 position of each image in the folder.
        augmentation: what was done to the images.
    """

    image_index: NDArray[np.int64]
    augmentation: Augmentation

    def shown(self, size: tuple[int, int]) -> Shown:
        """The images in the pictures, whose height and width are `size`; whole numbers only."""
        mix, own, crops = self.augmentation.mix, self._own_part(size), self._crops()
        partner = slice(None) if mix is None else mix.partner
        image, part, crop = np.empty((3, len(crops), 2), np.int64)
        image[:, 0], image[:, 1] = self.image_index, self.image_index[partner]
        part[:, 0], part[:, 1] = own, WHOLE - own
        crop[:, 0], crop[:, 1] = crops, crops[partner]
        return Shown(image, part, crop)

    def edges(self) -> tuple[int, int]:
        """Where the mix box ends: last row and column, 0 without one."""
        mix = self.augmentation.mix
        return (0, 0) if mix is None or mix.box is None else (mix.box[1], mix.box[3])

    def _own_part(self, size: tuple[int, int]) -> int:
        mix = self.augmentation.mix
        if mix is None:
            return WHOLE
        if mix.box is None:
            ratio = 1.0 if np.isnan(mix.ratio) else min(max(float(mix.ratio), 0.0), 1.0)
            return int(WHOLE * ratio + 0.5)
        row0, row1, column0, column1 = mix.box
        rows, columns = _overlap(row0, row1, size[0]), _overlap(column0, column1, size[1])
        pixels = size[0] * size[1]
        return WHOLE - (WHOLE * rows * columns + pixels // 2) // pixels

    def _crops(self) -> NDArray[np.int64]:
        crop = self.augmentation.crop
        if crop is None:
            return np.full(len(self.image_index), EIGHTHS - 1)
        if crop.size is not None:
            box, size = crop.box.astype(np.int64), crop.size.astype(np.int64)
            whole = EIGHTHS * box[:, 2] * box[:, 3] // (size[:, 0] * size[:, 1])
            eighths = np.maximum(whole, 0)
        else:
            with np.errstate(invalid="ignore"):
                share = np.prod(crop.box[:, 2:].astype(np.float64), axis=1)
            fraction = np.nan_to_num(np.clip(EIGHTHS * share, 0, EIGHTHS), nan=EIGHTHS)
            eighths = fraction.astype(np.int64)
        return np.minimum(eighths, EIGHTHS - 1)


def _overlap(start: int, stop: int, side: int) -> int:
    return max(min(stop, side) - max(start, 0), 0)


def join(parts: list[Shown]) -> Shown:
    """The pictures of several batches."""
    image, part, crop = (
        np.concatenate([getattr(one, name) for one in parts]) for name in ("image", "part", "crop")
    )
    return Shown(image, part, crop)

"""What a label codec may know of the pictures that were labelled, beside the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Augmentation


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of a batch.

    Attributes:
        image_index: (B,) int64 position of each image in the folder.
        augmentation: what was done to the images.
    """

    image_index: NDArray[np.int64]
    augmentation: Augmentation

    def edges(self) -> tuple[int, int]:
        """Where the mix box ends: last row and column, 0 without one."""
        mix = self.augmentation.mix
        return (0, 0) if mix is None or mix.box is None else (mix.box[1], mix.box[3])

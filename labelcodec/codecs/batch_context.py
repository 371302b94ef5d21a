"""Images and augmentation of a batch, from which a codec can predict labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.parts import Augmentation


@dataclass(frozen=True, eq=False)
class BatchContext:
    """Images and augmentation of a batch.

    Attributes:
        image_index: (B,) int64 position of each image in the folder.
        augmentation: the augmentation that was applied to them.
    """

    image_index: NDArray[np.int64]
    augmentation: Augmentation

    def edges(self) -> tuple[int, int]:
        """Where the mix box ends: last row and column, 0 without one."""
        mix = self.augmentation.mix
        return (0, 0) if mix is None or mix.box is None else (mix.box[1], mix.box[3])

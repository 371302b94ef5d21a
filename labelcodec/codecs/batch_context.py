"""What a codec may know of a batch beside its labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.parts import Augmentation
from labelcodec.batch import LabelBatch


@dataclass(frozen=True, eq=False)
class BatchContext:
    """What a codec may know of a batch beside its labels.

    Attributes:
        image_index: (B,) int64 position of each image in the folder.
        augmentation: the augmentation that was applied to them.
        targets: (B,) int64 token that the text has where the label predicts one, -1 where that is
            not known; None for images, and without token ids.
    """

    image_index: NDArray[np.int64]
    augmentation: Augmentation
    targets: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, batch: LabelBatch, shift: int | None) -> BatchContext:
        """The context of a batch.

        Args:
            batch: the batch.
            shift: of token sequences, as in the header.
        """
        sequences = batch.sequences
        targets = None if sequences is None else sequences.targets(shift or 0)
        return cls(batch.image_index, batch.augmentation, targets)

    def edges(self) -> tuple[int, int]:
        """Where the mix box ends: last row and column, 0 without one."""
        mix = self.augmentation.mix
        return (0, 0) if mix is None or mix.box is None else (mix.box[1], mix.box[3])

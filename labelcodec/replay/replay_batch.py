"""One recorded batch on its way into training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from labelcodec.augmentation.mix import Mix
from labelcodec.errors import DataError
from labelcodec.replay.soft_labels import SoftLabels


@dataclass(frozen=True, eq=False)
class CompactArrays:
    """Compact labels as a loader's worker sends them; `ReplayDataset.finish` expands them.

    Attributes:
        arrays: per-batch arrays, as returned by `CompactLabels.arrays`.
        classes: C.
        digest: digest of the tables, which all labels of a shard share.
    """

    arrays: tuple[torch.Tensor, ...]
    classes: int
    digest: str


@dataclass(frozen=True, eq=False)
class ReplayBatch:
    """One recorded batch, ready to train on.

    Attributes:
        position: position of the batch in the label set, 0..n-1.
        images: (B, 3, H, W) float32 in channels-last memory format, normalised and mixed; with
            `uint8=True` uint8 in 0..255, neither normalised nor mixed.
        labels: the teacher's output.
        hard: (B,) int64 class of the labels that each image's folder is.
        mix: the mix still to be applied to the images; None once they are mixed.
        partner_hard: (B,) int64 class of the image that each image is mixed with; None without
            mixing.
        partner_share: share of the partner in each mixed image, 0..1: of its area with CutMix, of
            its brightness with mixup; 0 without mixing.
    """

    position: int
    images: torch.Tensor
    labels: SoftLabels | CompactArrays
    hard: torch.Tensor
    mix: Mix | None = None
    partner_hard: torch.Tensor | None = None
    partner_share: float = 0.0

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.images)

    def rows(self, chosen: slice) -> ReplayBatch:
        """A slice of the samples of a finished batch.

        Raises:
            DataError: the batch is not finished.
        """
        if self.mix is not None or not isinstance(self.labels, SoftLabels):
            raise DataError("only a finished batch can be sliced: its images are mixed already")
        return replace(
            self,
            images=self.images[chosen],
            labels=self.labels.rows(chosen),
            hard=self.hard[chosen],
            partner_hard=None if self.partner_hard is None else self.partner_hard[chosen],
        )

    def tensors(self) -> Iterator[torch.Tensor]:
        """All tensors of a finished batch."""
        assert isinstance(self.labels, SoftLabels)
        labels = self.labels.value, self.labels.index, self.labels.floor
        yield from (self.images, self.hard)
        yield from (tensor for tensor in (*labels, self.partner_hard) if tensor is not None)

    def pin_memory(self) -> ReplayBatch:
        """The batch with images and classes in page-locked memory; called by `DataLoader`."""
        return replace(
            self,
            images=self.images.pin_memory(),
            hard=self.hard.pin_memory(),
            partner_hard=None if self.partner_hard is None else self.partner_hard.pin_memory(),
        )

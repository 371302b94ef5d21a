"""Source images of any sizes in one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import DataError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class SourceImages:
    """Images of any sizes, one after another in one tensor.

    Attributes:
        pixels: (n,) uint8 on any device: the images' values, each (height, width, 3) in C order.
        start: (N,) int64 position of each image's first value.
        size: (N, 2) int64 height, width of each image in pixels.
    """

    pixels: torch.Tensor
    start: NDArray[np.int64]
    size: NDArray[np.int64]

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self.start)

    def take(self, index: NDArray[np.int64]) -> SourceImages:
        """The images at these (B,) positions, in the same tensor."""
        return SourceImages(self.pixels, self.start[index], self.size[index])

    @staticmethod
    def of(images: torch.Tensor | Sequence[torch.Tensor]) -> SourceImages:
        """Images that are tensors of their own.

        Args:
            images: (B, H, W, 3) uint8, or B images (H, W, 3) uint8 of any sizes, all on one device.

        Raises:
            DataError: images of another shape or dtype.
        """
        import torch

        for image in images:
            if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != torch.uint8:
                raise DataError(
                    f"images are {image.dtype} of shape {tuple(image.shape)}, expected uint8 with "
                    "the three colours last"
                )
        size = np.array([image.shape[:2] for image in images], np.int64).reshape(-1, 2)
        if isinstance(images, torch.Tensor):
            pixels = images.reshape(-1)
        else:
            pixels = torch.cat([image.reshape(-1) for image in images])
        return SourceImages(pixels, starts(size)[:-1], size)


def starts(size: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N + 1,) int64 positions where images of these sizes start, and where the last one ends.

    Args:
        size: (N, 2) heights and widths in pixels.
    """
    lengths = 3 * size.astype(np.int64).prod(axis=1)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])

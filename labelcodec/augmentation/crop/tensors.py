"""Cropping and resizing of whole batches on any device, exact to the bit (SPEC, section 17.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.augmentation.crop import Crop
from labelcodec.augmentation.crop.boxes import pixel_boxes
from labelcodec.augmentation.crop.resampling import BITS, rows_first
from labelcodec.augmentation.crop.tap_table import TapTable, table_for
from labelcodec.augmentation.part import NetworkInput
from labelcodec.augmentation.source_images import SourceImages
from labelcodec.entropy.backend import implementation
from labelcodec.loading import LOADING

AT_ONCE = 1 << 25  # values of an intermediate image in memory at a time, 8 bytes each


def resized_crops(
    images: SourceImages, crop: Crop | None, flip: NDArray[np.bool_] | None, target: NetworkInput
) -> torch.Tensor:
    """Crop, resize and flip a batch.

    Args:
        images: B images.
        crop: the recorded crops; None if the images have the target's size.
        flip: (B,) bool, the crops to mirror left to right; None for none.
        target: size of the network input, and how to resize.

    Returns:
        (B, 3, height, width) uint8 on the device of the images, in channels-last memory format.

    Raises:
        DataError: a box is empty or leaves its image.
        MismatchError: the crops were recorded on images of other sizes.
    """
    box = pixel_boxes(crop, images.size, target.size)
    flips = np.zeros(len(box), np.bool_) if flip is None else flip
    device = images.pixels.device
    if device.type == "cpu":
        return _kernel_crops(images, box, flips, target)
    if device.type == "cuda" and is_fused(device):
        return _fused_crops(images, box, flips, target)
    return gathered_crops(images, box, flips, target)


def _kernel_crops(
    images: SourceImages, box: NDArray[np.int64], flip: NDArray[np.bool_], target: NetworkInput
) -> torch.Tensor:
    """As `gathered_crops`, on the CPU; other threads run meanwhile."""
    resized = np.empty((len(box), *target.size, 3), np.uint8)
    start, size = (np.ascontiguousarray(array, np.int64) for array in (images.start, images.size))
    pixels, interpolation = images.pixels.numpy(), target.interpolation
    kernels = implementation("labelcodec.augmentation.crop")
    kernels.pool_resize(pixels, start, size, box, interpolation, flip, resized)
    return torch.from_numpy(resized).permute(0, 3, 1, 2)


def _fused_crops(
    images: SourceImages, box: NDArray[np.int64], flip: NDArray[np.bool_], target: NetworkInput
) -> torch.Tensor:
    from labelcodec.augmentation.crop.fused import fused_crops

    with torch.cuda.device(images.pixels.device):  # on which Triton launches
        return fused_crops(images, box, flip, target)


def is_fused(device: torch.device) -> bool:
    """Whether the Triton kernel runs on a device and gives the levels of `gathered_crops` there.

    Args:
        device: a CUDA device; it is tried once.
    """
    with LOADING:
        return _tried(device)


@cache
def _tried(device: torch.device) -> bool:
    generator = np.random.default_rng(0)
    size = np.array([[48, 64], [150, 40], [9, 300], [1, 1]])
    pictures = [
        torch.from_numpy(generator.integers(0, 256, (*sides, 3), np.uint8)) for sides in size
    ]
    host = SourceImages.of(pictures)
    images = replace(host, pixels=host.pixels.to(device))
    box = np.concatenate([np.zeros_like(size), size], axis=1)
    flip = np.array([True, False, True, False])
    try:
        return all(
            torch.equal(
                *(crops(images, box, flip, target) for crops in (_fused_crops, gathered_crops))
            )
            for target in (NetworkInput((32, 32)), NetworkInput((70, 50), "bicubic"))
        )
    except Exception:  # no Triton, no compiler for it, or a device that it does not serve
        return False


def gathered_crops(
    images: SourceImages, box: NDArray[np.int64], flip: NDArray[np.bool_], target: NetworkInput
) -> torch.Tensor:
    """Crop, resize and flip by torch operations alone: source pixels are gathered and weighted.

    Args:
        images: B images.
        box: (B, 4) top, left, height, width in pixels, within the images.
        flip: (B,) bool, the crops to mirror left to right.
        target: size of the network input, and how to resize.

    Returns:
        (B, 3, height, width) uint8, as `resized_crops`.
    """
    device = images.pixels.device
    resized = torch.empty((len(box), *target.size, 3), dtype=torch.uint8, device=device)
    across_first = ~rows_first(box, target.size)
    for mask, axis in ((across_first, 1), (~across_first, 0)):
        selected = np.flatnonzero(mask)
        longest = int(box[selected, 3 - axis].max(initial=1))
        together = max(1, AT_ONCE // (3 * longest * target.size[axis]))
        for first in range(0, len(selected), together):
            part = selected[first : first + together]
            rows = torch.from_numpy(part).to(device)
            resized[rows] = _two_passes(images.take(part), box[part], target, axis)
    flipped = torch.from_numpy(np.flatnonzero(flip)).to(device)  # a mask would wait for the device
    resized[flipped] = resized[flipped].flip(2)
    return resized.permute(0, 3, 1, 2)


@dataclass(frozen=True, eq=False)
class _Axis:
    """One axis of B crops.

    Attributes:
        stride: (B,) int64 distance in memory from one source pixel to the next.
        last: (B,) int64 last source pixel, from the crop's edge.
        row: (B,) int64 row of `table` for each crop.
        table: weights.
        taps: weights in use in any of the crops.
    """

    stride: torch.Tensor
    last: torch.Tensor
    row: torch.Tensor
    table: TapTable
    taps: int

    def pixel(self, tap: int) -> torch.Tensor:
        """(B, out) int64 source pixel of this tap for every output pixel."""
        return torch.minimum(self.table.first[self.row].long() + tap, self.last[:, None])

    def weight(self, tap: int) -> torch.Tensor:
        """(B, out) int32 weight of this tap for every output pixel."""
        return self.table.weight[self.row, :, tap]


def _two_passes(
    images: SourceImages, box: NDArray[np.int64], target: NetworkInput, first_axis: int
) -> torch.Tensor:
    """(B, height, width, 3) uint8 crops, resized along one axis (0: rows, 1: columns) first."""
    device = images.pixels.device
    width = 3 * images.size[:, 1]
    origin = torch.from_numpy(images.start + box[:, 0] * width + 3 * box[:, 1]).to(device)
    strides = (width, np.full_like(width, 3))
    axes = [
        _axis(strides[axis], box[:, 2 + axis], target.size[axis], target.interpolation, device)
        for axis in (0, 1)
    ]
    first, second = axes[first_axis], axes[1 - first_axis]
    lines = torch.arange(int(box[:, 3 - first_axis].max()), device=device)
    line = torch.minimum(lines, second.last[:, None]) * second.stride[:, None]
    base = (origin[:, None] + line)[:, :, None, None] + torch.arange(3, device=device)
    total = torch.zeros((), dtype=torch.int32, device=device)
    for tap in range(first.taps):
        offset = first.pixel(tap) * first.stride[:, None]
        grey = images.pixels[base + offset[:, None, :, None]].int()
        total = total + grey * first.weight(tap)[:, None, :, None]
    between = _rounded(total)  # (B, lines, out of the first axis, 3)
    total = torch.zeros((), dtype=torch.int32, device=device)
    for tap in range(second.taps):
        chosen = second.pixel(tap)[:, :, None, None].expand(-1, -1, *between.shape[2:])
        total = total + between.gather(1, chosen) * second.weight(tap)[:, :, None, None]
    levels = _rounded(total).to(torch.uint8)
    return levels if first_axis == 1 else levels.transpose(1, 2)


def _axis(
    stride: NDArray[np.int64],
    extent: NDArray[np.int64],
    out: int,
    interpolation: str,
    device: torch.device,
) -> _Axis:
    table, row = table_for(extent, out, interpolation, device)
    strides, last, rows = (
        torch.from_numpy(array).to(device) for array in (stride, extent - 1, row)
    )
    return _Axis(strides, last, rows, table, int(table.count[row].max()))


def _rounded(total: torch.Tensor) -> torch.Tensor:
    """Weighted sums as grey levels 0..255, int32."""
    return ((total + (1 << BITS - 1)) >> BITS).clamp_(0, 255)

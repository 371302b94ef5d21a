"""Cropping and resizing of whole batches on any device, bit-exact with Pillow 13."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.augmentation.crop import Crop
from labelcodec.augmentation.crop.boxes import pixel_boxes
from labelcodec.augmentation.crop.resampling import BITS, Taps, taps
from labelcodec.augmentation.part import NetworkInput

SPLIT = 12  # low bits of a weight that are multiplied separately


def resized_crops(
    images: torch.Tensor | Sequence[torch.Tensor], crop: Crop | None, target: NetworkInput
) -> torch.Tensor:
    """Crop and resize a batch.

    Args:
        images: (B, 3, H, W) uint8, or B images (3, H, W) of any sizes, on one device.
        crop: the recorded crops; None if the images have the target's size.
        target: size of the network input, and how to resize.

    Returns:
        (B, 3, height, width) uint8 on the device of the images.

    Raises:
        DataError: a box is empty or leaves its image.
        MismatchError: the crops were recorded on images of other sizes.
    """
    size = target.size
    if isinstance(images, torch.Tensor):
        source = images
        sizes = np.tile(np.array(source.shape[2:]), (len(source), 1))
        box = pixel_boxes(crop, sizes, size)
    else:
        box = pixel_boxes(crop, np.array([image.shape[1:] for image in images]), size)
        source, box = _padded(images, box)
    rows = taps(box[:, 0], box[:, 2], size[0], target.interpolation)
    columns = taps(box[:, 1], box[:, 3], size[1], target.interpolation)
    return _resized(source, rows, columns, _rows_first(box, size))


def _padded(
    images: Sequence[torch.Tensor], box: NDArray[np.int64]
) -> tuple[torch.Tensor, NDArray[np.int64]]:
    """The crops in one (B, 3, H, W) tensor, aligned to the top left, and their boxes in it."""
    height, width = box[:, 2:].max(axis=0).tolist()
    shape = (len(images), 3, height, width)
    crops = torch.zeros(shape, dtype=torch.uint8, device=images[0].device)
    for crop, image, (top, left, rows, columns) in zip(crops, images, box.tolist(), strict=True):
        crop[:, :rows, :columns] = image[:, top : top + rows, left : left + columns]
    return crops, np.concatenate([np.zeros_like(box[:, :2]), box[:, 2:]], axis=1)


def _rows_first(box: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(B,) whether Pillow reduces the height before it resizes the width, to save work."""
    fewer_rows, fewer_columns = (box[:, 2:] - size).T
    first: NDArray[np.bool_] = (fewer_rows > 0) & (fewer_rows > 2 * fewer_columns)
    return first


def _resized(
    source: torch.Tensor, rows: Taps, columns: Taps, rows_first: NDArray[np.bool_]
) -> torch.Tensor:
    if not rows_first.any():
        return _down(_across(source, columns), rows)
    if rows_first.all():
        return _across(_down(source, rows), columns)
    shape = (len(source), 3, rows.first.shape[1], columns.first.shape[1])
    resized = torch.empty(shape, dtype=torch.uint8, device=source.device)
    for mask in (rows_first, ~rows_first):
        selected = torch.from_numpy(mask).to(source.device)
        part = rows.part(mask), columns.part(mask), rows_first[mask]
        resized[selected] = _resized(source[selected], *part)
    return resized


def _down(source: torch.Tensor, rows: Taps) -> torch.Tensor:
    """Resize the height: as `_across` along the other axis."""
    return _across(source.transpose(2, 3), rows).transpose(2, 3)


def _across(source: torch.Tensor, columns: Taps) -> torch.Tensor:
    """Resize the width from W to `out` pixels, rounded and clipped as in Pillow.

    A weight is split into 2^12 high + low, each of at most 11 bits and a sign. float32 then holds
    the sums of both exactly (up to 32 taps), and TF32 on GPUs the factors.

    Args:
        source: (B, 3, H, W) uint8.
        columns: source pixels and weights of the output columns.

    Returns:
        (B, 3, H, out) uint8.
    """
    count, channels, height, width = source.shape
    out = columns.first.shape[1]
    high = (columns.weight + (1 << SPLIT - 1)) >> SPLIT
    parts = np.concatenate([high, columns.weight - (high << SPLIT)], axis=1)
    first = np.concatenate([columns.first, columns.first], axis=1)
    matrix = _matrix(first, parts, width, source.device).transpose(1, 2)
    pixels = source.reshape(count, channels * height, width).float()
    with torch.autocast(source.device.type, enabled=False):
        sums = torch.bmm(pixels, matrix).int()
    level = (sums[..., :out] << SPLIT) + sums[..., out:]
    grey = ((level + (1 << BITS - 1)) >> BITS).clamp_(0, 255).to(torch.uint8)
    return grey.view(count, channels, height, out)


def _matrix(
    first: NDArray[np.int64], weight: NDArray[np.int64], length: int, device: torch.device
) -> torch.Tensor:
    """(B, out, length) float32 matrices that map source pixels to output pixels."""
    column = np.minimum(first[:, :, None] + np.arange(weight.shape[2]), length - 1)
    matrix = torch.zeros((*first.shape, length), device=device)
    weights = torch.from_numpy(weight.astype(np.float32)).to(device)
    return matrix.scatter_add_(2, torch.from_numpy(column).to(device), weights)

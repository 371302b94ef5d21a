"""Replay of a whole batch with matrix products, on any device, to the bit as Pillow 13 does it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.batch import Augmentation
from labelcodec.errors import DataError, UnsupportedError
from labelcodec.replay.boxes import pixel_boxes
from labelcodec.replay.pillow import cutout_edges, filter_of
from labelcodec.replay.taps import BITS, Taps, taps

SPLIT = 12


def replay_batch(
    images: torch.Tensor | Sequence[torch.Tensor],
    augmentation: Augmentation,
    size: tuple[int, int],
    interpolation: str = "bilinear",
) -> torch.Tensor:
    """What the teacher saw of a batch before mixing: `replay_image` of every sample.

    Pillow before 13 differs where it resizes crops that are much higher than wide, by up to 23 grey
    levels in the tests' bicubic ones: it did not choose which axis goes first.

    Args:
        images: uint8, (B, H, W, 3); or B images (H, W, 3) of any sizes, on one device.
        augmentation: the recorded F.
        size: height, width of the network input.
        interpolation: 'bilinear' or 'bicubic'.

    Returns:
        (B, 3, height, width) uint8 on the device of the images.

    Raises:
        DataError: images of another shape or type, a recorded part that cannot be applied.
        MismatchError: crops were recorded on images of other sizes.
        UnsupportedError: another interpolation, or RandAugment, which needs `replay_image`.
    """
    filter_of(interpolation)
    if augmentation.randaugment is not None:
        raise UnsupportedError("RandAugment can only be replayed image by image, by Pillow")
    if isinstance(images, torch.Tensor):
        source = _channels_first(images)
        sizes = np.tile(np.array(source.shape[2:]), (len(source), 1))
        box = pixel_boxes(augmentation.crop, sizes, size)
    else:
        single = [_channels_first(image) for image in images]
        box = pixel_boxes(augmentation.crop, np.array([one.shape[1:] for one in single]), size)
        source, box = _padded(single, box)
    rows = taps(box[:, 0], box[:, 2], size[0], interpolation)
    columns = taps(box[:, 1], box[:, 3], size[1], interpolation)
    if augmentation.flip is not None:
        columns = columns.mirrored(augmentation.flip)
    resized = _resized(source, rows, columns, _rows_first(box, size))
    if augmentation.cutout is not None:
        _paint(resized, augmentation.cutout, size)
    return resized


def _channels_first(images: torch.Tensor) -> torch.Tensor:
    if images.shape[-1] != 3 or images.dtype != torch.uint8:
        raise DataError(
            f"images are {images.dtype} of shape {tuple(images.shape)}, expected uint8 with the "
            "three colours last"
        )
    return images.movedim(-1, -3)


def _padded(
    images: Sequence[torch.Tensor], box: NDArray[np.int64]
) -> tuple[torch.Tensor, NDArray[np.int64]]:
    """The crops in one (B, 3, H, W) tensor, each at its upper left, and their boxes there."""
    height, width = box[:, 2:].max(axis=0).tolist()
    shape = (len(images), 3, height, width)
    crops = torch.zeros(shape, dtype=torch.uint8, device=images[0].device)
    for crop, image, (top, left, rows, columns) in zip(crops, images, box.tolist(), strict=True):
        crop[:, :rows, :columns] = image[:, top : top + rows, left : left + columns]
    return crops, np.concatenate([np.zeros_like(box[:, :2]), box[:, 2:]], axis=1)


def _rows_first(box: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(B,) where Pillow shrinks the height before it resizes the width, to save work."""
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
    for chosen in (rows_first, ~rows_first):
        place = torch.from_numpy(chosen).to(source.device)
        part = rows.part(chosen), columns.part(chosen), rows_first[chosen]
        resized[place] = _resized(source[place], *part)
    return resized


def _down(source: torch.Tensor, rows: Taps) -> torch.Tensor:
    return _across(source.transpose(2, 3), rows).transpose(2, 3)


def _across(source: torch.Tensor, columns: Taps) -> torch.Tensor:
    """(B, 3, H, W) uint8 to (B, 3, H, out) uint8, rounded and clipped as Pillow does.

    A weight is 2^12 high + low, each of at most 11 bits and a sign, so that float32 holds the
    sums of both exactly (up to 32 taps), and the TF32 of GPUs their factors.
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
    """(B, out, length) float32: row i weighs the pixels that output pixel i is the sum of."""
    place = np.minimum(first[:, :, None] + np.arange(weight.shape[2]), length - 1)
    matrix = torch.zeros((*first.shape, length), device=device)
    weights = torch.from_numpy(weight.astype(np.float32)).to(device)
    return matrix.scatter_add_(2, torch.from_numpy(place).to(device), weights)


def _paint(images: torch.Tensor, cutout: NDArray[np.float32], size: tuple[int, int]) -> None:
    edges = cutout_edges(cutout, size).tolist()
    colours = torch.from_numpy(cutout[:, 4:].astype(np.uint8)).to(images.device)
    for image, colour, (top, left, bottom, right) in zip(images, colours, edges, strict=True):
        image[:, top : bottom + 1, left : right + 1] = colour[:, None, None]

"""Cropping and resizing of whole batches by one Triton kernel, equal to `tensors`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.augmentation.crop.resampling import rows_first
from labelcodec.augmentation.crop.tap_table import table_for
from labelcodec.augmentation.crop.triton_kernel import resize
from labelcodec.augmentation.part import NetworkInput
from labelcodec.augmentation.source_images import SourceImages

BLOCK = 256  # output pixels per program


def fused_crops(
    images: SourceImages,
    box: NDArray[np.int64],
    flip: NDArray[np.bool_],
    target: NetworkInput,
) -> torch.Tensor:
    """Crop, resize and flip a batch by one kernel.

    Args:
        images: B images on a device that Triton serves.
        box: (B, 4) top, left, height, width in pixels, within the images.
        flip: (B,) bool, the crops to mirror left to right.
        target: size of the network input, and how to resize.

    Returns:
        (B, 3, height, width) uint8 on the device of the images, in channels-last memory format.
    """
    (height, width), device = target.size, images.pixels.device
    rows, row_table = table_for(box[:, 2], height, target.interpolation, device)
    columns, column_table = table_for(box[:, 3], width, target.interpolation, device)
    line = 3 * images.size[:, 1]
    fields = (
        images.start + box[:, 0] * line + 3 * box[:, 1],
        line,
        box[:, 2] - 1,
        box[:, 3] - 1,
        row_table,
        column_table,
        rows.count[row_table],
        columns.count[column_table],
        rows_first(box, target.size),
        flip,
    )
    crops = torch.from_numpy(np.stack(fields, axis=1).astype(np.int64)).to(device)
    resized = torch.empty((len(box), height, width, 3), dtype=torch.uint8, device=device)
    grid = (len(box), -(-height * width // BLOCK))
    resize[grid](
        images.pixels,
        resized,
        crops,
        rows.first,
        rows.weight,
        columns.first,
        columns.weight,
        height,
        width,
        rows.weight.shape[2],
        columns.weight.shape[2],
        BLOCK,
    )
    return resized.permute(0, 3, 1, 2)

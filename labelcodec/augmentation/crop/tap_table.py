"""Resampling weights of many extents, computed once per device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.crop.resampling import taps

if TYPE_CHECKING:
    import torch

SHARED = 1024  # largest extent whose weights are kept


@dataclass(frozen=True, eq=False)
class TapTable:
    """Weights that resize E extents to `out` pixels, on one device.

    Attributes:
        first: (E, out) int32 first source pixel of each output pixel, from the crop's edge.
        weight: (E, out, n) int32 weights in units of 2^-22.
        count: (E,) int64 weights in use of each extent, in host memory; those behind are 0.
    """

    first: torch.Tensor
    weight: torch.Tensor
    count: NDArray[np.int64]


def table_for(
    extents: NDArray[np.int64], out: int, interpolation: str, device: torch.device
) -> tuple[TapTable, NDArray[np.int64]]:
    """A table that holds these extents, and the row of each.

    Args:
        extents: (B,) numbers of source pixels, 1 and more.
        out: number of output pixels.
        interpolation: 'bilinear' or 'bicubic'.
        device: where the table is to be.
    """
    largest = int(extents.max())
    if largest <= SHARED:
        bound = 1 << (largest - 1).bit_length()  # so that few tables serve all batches
        return _shared(bound, out, interpolation, device), extents - 1
    distinct, rows = np.unique(extents, return_inverse=True)
    return _table(distinct, out, interpolation, device), rows


@lru_cache(maxsize=16)
def _shared(bound: int, out: int, interpolation: str, device: torch.device) -> TapTable:
    """The table of all extents from 1 to a bound."""
    return _table(np.arange(1, bound + 1), out, interpolation, device)


def _table(extents: NDArray[Any], out: int, interpolation: str, device: torch.device) -> TapTable:
    import torch

    computed = taps(np.zeros_like(extents), extents, out, interpolation)
    unused = (computed.weight != 0).any(axis=1)[:, ::-1].argmax(axis=1)
    first, weight = (
        torch.from_numpy(array.astype(np.int32)).to(device)
        for array in (computed.first, computed.weight)
    )
    return TapTable(first, weight, computed.weight.shape[2] - unused)

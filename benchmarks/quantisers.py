"""Full labels in few bits a class: one scale a label, then zstd."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import zstandard
from distortion import Coded, Data
from numpy.typing import NDArray

from labelcodec.batch import Labels

BATCH = 128  # labels of a zstd basis
LARGEST = 448  # of float8_e4m3fn


def integers(data: Data, bits: int) -> Iterator[Coded]:
    """Equal steps between a label's smallest and largest logit, both stored in fp16."""
    z = data.truth.value.astype(np.float32)
    low, high = z.min(axis=1, keepdims=True), z.max(axis=1, keepdims=True)
    step = (high - low) / np.float32(2**bits - 1)
    codes = np.rint((z - low) / step).astype(np.uint8)
    yield _coded(data, f"int{bits}", codes, bits, 4, low + step * codes)


def fp8(data: Data) -> Iterator[Coded]:
    """e4m3 of the logits, scaled so that the largest fits; the scale in fp16."""
    z = data.truth.value.astype(np.float32)
    scale = (np.abs(z).max(axis=1, keepdims=True) / LARGEST).astype(np.float16).astype(np.float32)
    small = torch.from_numpy(np.clip(z / scale, -LARGEST, LARGEST)).to(torch.float8_e4m3fn)
    yield _coded(data, "fp8", small.view(torch.uint8).numpy(), 8, 2, small.float().numpy() * scale)


def _coded(
    data: Data, name: str, codes: NDArray[np.uint8], bits: int, scales: int, z: NDArray[np.float32]
) -> Coded:
    parts = {"codes": _zstd(codes, bits) / len(codes), "scales": float(scales)}
    return Coded("scalar + zstd-19", name, parts, Labels(data.truth.classes, z))


def _zstd(codes: NDArray[np.uint8], bits: int) -> int:
    """Bytes of the batches' frames; codes are packed to their bits where that is smaller."""
    compress = zstandard.ZstdCompressor(19).compress
    total = 0
    for first in range(0, len(codes), BATCH):
        batch = codes[first : first + BATCH]
        split = (batch[..., None] >> np.arange(bits, dtype=np.uint8)) & 1
        packed = np.packbits(split.ravel())
        total += min(len(compress(batch.tobytes())), len(compress(packed.tobytes())))
    return total

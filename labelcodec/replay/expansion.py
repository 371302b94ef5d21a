"""Expansion of compact labels to logits on a torch device."""

from __future__ import annotations

import torch

from labelcodec.batch import CompactLabels
from labelcodec.codecs.registry import CODECS
from labelcodec.plugins import imported


def expand(compact: CompactLabels, device: torch.device | str = "cpu") -> torch.Tensor:
    """Expand compact labels to (B, C) float32 logits, bit-identical to `compact.dense()`.

    Uses the codec's torch function if its registry row names one, and NumPy otherwise.

    Args:
        compact: `labels.compact` of a batch.
        device: target device; the transform codec needs float64 there (CPU or CUDA).
    """
    entry = CODECS.find(compact.codec)
    if entry is not None and entry.expand is not None:
        logits: torch.Tensor = imported(entry.expand)(compact, device)
        return logits
    return torch.from_numpy(compact.dense()).to(device)

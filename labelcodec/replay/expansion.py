"""Expansion of compact labels to logits on a torch device."""

from __future__ import annotations

import torch

from labelcodec.batch import CompactLabels
from labelcodec.codecs.registry import CODECS
from labelcodec.plugins import imported

EXACT = ("cpu", "cuda")  # devices with float64, which holds the sums of codecs exactly


def expand(compact: CompactLabels, device: torch.device | str = "cpu") -> torch.Tensor:
    """Expand compact labels to (B, C) float32 logits, bit-identical to `compact.dense()`.

    Uses the codec's torch function if its registry row names one, and NumPy otherwise.

    Args:
        compact: `labels.compact` of a batch.
        device: target device. Those without float64 get labels that the CPU expanded.
    """
    entry = CODECS.find(compact.codec)
    if entry is not None and entry.expand is not None and torch.device(device).type in EXACT:
        logits: torch.Tensor = imported(entry.expand)(compact, device)
        return logits
    return torch.from_numpy(compact.dense()).to(device)

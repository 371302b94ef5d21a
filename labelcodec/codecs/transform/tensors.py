"""Expansion of compact transform labels on any torch device, exact to the bit."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.compact import TransformLabels
from labelcodec.codecs.transform.format import MAX_SCORE, MEAN_SHIFT


@lru_cache(maxsize=8)
def _shared(
    basis: BasisTables, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors (r, C) float64, means (C,) int64 and tail (48,) int64 on the device."""
    arrays = (basis.vectors, basis.mean << MEAN_SHIFT, basis.tail.astype(np.int64))
    vectors, mean, tail = (torch.from_numpy(array).to(device) for array in arrays)
    return vectors, mean, tail


def expand(compact: TransformLabels, device: torch.device | str = "cpu") -> torch.Tensor:
    """Expand compact labels to (B, C) float32 logits, bit for bit those of `compact.dense()`.

    On the CPU this runs the codec's own kernels, which are ten times as fast as torch's sort.

    Args:
        compact: `labels.compact` of a batch.
        device: where to expand. It must support float64, as CPU and CUDA do.
    """
    target = torch.device(device)
    if target.type == "cpu":
        return torch.from_numpy(compact.dense())
    return expand_on(target, compact)


def expand_on(device: torch.device, compact: TransformLabels) -> torch.Tensor:
    """Expand compact labels with torch operations alone; `expand` does so on accelerators.

    The matrix product runs in float64, which holds every partial sum exactly, so the order in which
    the device adds does not matter.

    Args:
        device: the torch device.
        compact: `labels.compact` of a batch.

    Returns:
        (B, C) float32 logits on the device.
    """
    basis = compact.basis
    vectors, mean, tail = _shared(basis, device)
    arrays = (compact.coefficients, compact.counts, compact.places, compact.residuals)
    coefficients, counts, places, residuals = (torch.from_numpy(a).to(device) for a in arrays)
    scores = (coefficients.double() @ vectors).long() + mean
    scores.clamp_(-MAX_SCORE, MAX_SCORE)
    order = scores.argsort(dim=1, descending=True, stable=True)
    rows = torch.arange(len(scores), device=device).repeat_interleave(counts)
    classes = order[rows, places]
    peaks = (scores[rows, classes] + residuals * basis.peak).clamp(-MAX_SCORE, MAX_SCORE)
    scores[rows, classes] = peaks
    distance = (scores.amax(dim=1, keepdim=True) - scores) >> basis.shift
    scores += tail[distance.clamp(max=len(tail) - 1)]
    scores[rows, classes] = peaks
    return scores.float() * 2.0**-basis.point

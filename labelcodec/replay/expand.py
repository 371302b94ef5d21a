"""Compact labels to logits on any torch device, the same integers as in numpy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from labelcodec.codecs.transform.compact import Compact
from labelcodec.codecs.transform.frame import MAX_SCORE, MEAN_SHIFT, Frame


@lru_cache(maxsize=8)
def _shared(frame: Frame, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors (r, C) float64, means (C,) int64 and tail (48,) int64 on the device."""
    arrays = (frame.vectors, frame.mean << MEAN_SHIFT, frame.tail.astype(np.int64))
    vectors, mean, tail = (torch.from_numpy(array).to(device) for array in arrays)
    return vectors, mean, tail


def expand(compact: Compact, device: torch.device | str = "cpu") -> torch.Tensor:
    """(B, C) float32 logits on the device, bit for bit those of `compact.dense()`.

    On the CPU that is what runs: the codec's kernels are ten times as fast as torch's sort there.

    Args:
        compact: `labels.compact` of a batch.
        device: where to expand; it must have float64 (CPU and CUDA do).
    """
    place = torch.device(device)
    if place.type == "cpu":
        return torch.from_numpy(compact.dense())
    return expand_on(place, compact)


def expand_on(place: torch.device, compact: Compact) -> torch.Tensor:
    """The same with torch's own operations; `expand` uses it on accelerators.

    One matrix product in float64, which holds every sum exactly in whatever order the device adds.
    """
    frame = compact.frame
    vectors, mean, tail = _shared(frame, place)
    arrays = (compact.coefficients, compact.counts, compact.places, compact.residuals)
    coefficients, counts, places, residuals = (torch.from_numpy(a).to(place) for a in arrays)
    scores = (coefficients.double() @ vectors).long() + mean
    scores.clamp_(-MAX_SCORE, MAX_SCORE)
    order = scores.argsort(dim=1, descending=True, stable=True)
    rows = torch.arange(len(scores), device=place).repeat_interleave(counts)
    classes = order[rows, places]
    peaks = (scores[rows, classes] + residuals * frame.peak).clamp(-MAX_SCORE, MAX_SCORE)
    scores[rows, classes] = peaks
    distance = (scores.amax(dim=1, keepdim=True) - scores) >> frame.shift
    scores += tail[distance.clamp(max=len(tail) - 1)]
    scores[rows, classes] = peaks
    return scores.float() * 2.0**-frame.point

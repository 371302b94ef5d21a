"""Labels of a batch as tensors: logits, and probabilities at a temperature."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from labelcodec.batch import Labels, Space, Tail
from labelcodec.codecs.float_bits import all_finite
from labelcodec.replay.expansion import expand


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """The teacher's output for a batch, on one device.

    Attributes:
        classes: C.
        value: (B, C) when dense, (B, k) when top-k; float32.
        index: None when dense; (B, k) int64 classes when top-k.
        space: 'logits' or 'probabilities'.
        tail: how the classes omitted from a top-k label are filled in, see `Labels`.
        floor: (B,) float32 logit of each class that is left out; only with tail 'floor'.
    """

    classes: int
    value: torch.Tensor
    index: torch.Tensor | None = None
    space: Space = "logits"
    tail: Tail | None = None
    floor: torch.Tensor | None = None

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.value)

    def rows(self, chosen: slice | torch.Tensor) -> SoftLabels:
        """The labels of a slice of the samples, or of those that a (B,) bool mask selects."""
        return replace(
            self,
            value=self.value[chosen],
            index=None if self.index is None else self.index[chosen],
            floor=None if self.floor is None else self.floor[chosen],
        )

    def to(self, device: torch.device | str) -> SoftLabels:
        """The same labels on another device."""
        return replace(
            self,
            value=self.value.to(device),
            index=None if self.index is None else self.index.to(device),
            floor=None if self.floor is None else self.floor.to(device),
        )

    def logits(self) -> torch.Tensor:
        """(B, C) float32 logits, or logarithms of probabilities; -inf for probability 0."""
        value, tail = self.kept_logits()
        if self.index is None:
            return value
        full = tail.expand(len(value), self.classes).clone()
        return full.scatter_(1, self.index, value)

    def kept_logits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the kept classes, and that of each other one.

        Returns:
            `value` as float32 logits, or logarithms of probabilities; and (B or 1, 1) the same
            number for each class that is left out, -inf for probability 0.
        """
        value = self.value if self.space == "logits" else self.value.clamp_min(0).log()
        return value, self._tail()

    def _tail(self) -> torch.Tensor:
        """(B or 1, 1) float32 logit of an omitted class."""
        if self.tail == "floor" and self.floor is not None:
            return self.floor[:, None]
        if self.tail == "uniform":
            omitted = max(self.classes - self.value.shape[1], 1)
            missing = 1 - self.value.sum(dim=1, keepdim=True)
            return (missing.clamp_min(0) / omitted).log()
        return self.value.new_full((1, 1), -torch.inf)

    def probabilities(self, temperature: float) -> torch.Tensor:
        """(B, C) float32 softmax of the logits at this temperature, above 0.

        Stored probabilities p become p^(1/temperature), rescaled to sum to 1. That equals the
        softmax of the teacher's logits, provided p is their softmax at temperature 1.
        """
        return torch.softmax(self.logits() / temperature, dim=1)


def without_softmax(labels: Labels) -> int | None:
    """Index of the first sample whose label has no softmax; None if all have.

    That is a label with NaN or +inf, or of -inf alone. -inf for some classes is probability 0.
    """
    has_floor = labels.floor is not None and not all_finite(labels.floor)
    if labels.compact is not None or (all_finite(labels.value) and not has_floor):
        return None
    bad = ~np.isfinite(labels.value.max(axis=1))  # the maximum of a row with NaN is NaN
    if labels.floor is not None:
        bad |= np.isnan(labels.floor) | np.isposinf(labels.floor)
    return int(bad.argmax()) if bad.any() else None


def to_tensors(labels: Labels, device: torch.device | str = "cpu") -> SoftLabels:
    """Labels as float32 tensors on a device; compact labels are expanded on that device."""
    if labels.compact is not None:
        return SoftLabels(labels.classes, expand(labels.compact, device))
    value = torch.from_numpy(labels.value).to(device).float()
    index = None if labels.index is None else torch.from_numpy(labels.index).to(device)
    floor = None if labels.floor is None else torch.from_numpy(labels.floor).to(device).float()
    return SoftLabels(labels.classes, value, index, labels.space, labels.tail, floor)

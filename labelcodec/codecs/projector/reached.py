"""Fidelity of a projector on held-out labels, as its file records it (SPEC, section 16.2)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

from labelcodec.errors import CorruptError

TEMPERATURES = (1, 2, 4)
_FORM = struct.Struct("<Q7d")


@dataclass(frozen=True)
class Reached:
    """Distances to the target's labels, on augmentations that training did not see.

    Attributes:
        labels: number of labels compared.
        kl: mean KL divergence from the target at temperatures 1, 2 and 4, in nats.
        tv: mean total variation at temperatures 1, 2 and 4, 0..1.
        top1: share of labels with the target's most probable class, 0..1.
    """

    labels: int
    kl: tuple[float, ...]
    tv: tuple[float, ...]
    top1: float

    def to_bytes(self) -> bytes:
        """Serialize to a part of the side information."""
        return _FORM.pack(self.labels, *self.kl, *self.tv, self.top1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Reached:
        """Deserialize what `to_bytes` wrote.

        Raises:
            CorruptError: another length, or numbers that are not finite.
        """
        if len(data) != _FORM.size:
            raise CorruptError(f"{len(data)} bytes on what the projector reached")
        labels, *numbers = _FORM.unpack(data)
        if not all(map(math.isfinite, numbers)):
            raise CorruptError("what the projector reached is not finite")
        return cls(labels, tuple(numbers[:3]), tuple(numbers[3:6]), numbers[6])

    def chosen(self) -> dict[str, Any]:
        """JSON-safe values; `tv` and `kl` map a temperature to its mean, as fidelity reports do."""
        means = {
            kind: {
                str(tau): float(f"{value:.4g}")
                for tau, value in zip(TEMPERATURES, values, strict=True)
            }
            for kind, values in (("tv", self.tv), ("kl", self.kl))
        }
        return {**means, "top1_agreement": round(self.top1, 4), "held_out": self.labels}

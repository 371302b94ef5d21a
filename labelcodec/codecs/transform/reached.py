"""What a choice of rank, step and peaks reached on a sample of the labels it was made for."""

from __future__ import annotations

import builtins
import math
import struct
from dataclasses import dataclass
from typing import Any

from labelcodec.errors import CorruptError

MEASURES = ("tv1", "tv2", "tv4", "kl1", "kl2", "kl4")
_FORM = struct.Struct("<2Q9f")
SIZE = _FORM.size


@dataclass(frozen=True)
class Reached:
    """Means over the sample.

    Attributes:
        sample: labels measured.
        sharing: labels that were to share the tables.
        streams: bytes of a label's coefficients and peaks.
        tables: bytes of the tables, over `sharing`.
        peaks: corrected classes of a label.
        quality: total variation at temperature 1, 2 and 4 ('tv1', ...) and KL divergence in nats
            ('kl1', ...), from the source to what is stored.
    """

    sample: int
    sharing: int
    streams: float
    tables: float
    peaks: float
    quality: dict[str, float]

    @property
    def bytes(self) -> float:
        """Bytes of a label, its share of the tables included."""
        return self.streams + self.tables

    def dump(self) -> builtins.bytes:
        """As a part of the side information (SPEC, section 9.1)."""
        found = (self.quality[measure] for measure in MEASURES)
        return _FORM.pack(self.sample, self.sharing, self.streams, self.tables, self.peaks, *found)

    @classmethod
    def load(cls, data: builtins.bytes) -> Reached:
        """Inverse of `dump`.

        Raises:
            CorruptError: another length, or numbers that are not finite.
        """
        if len(data) != SIZE:
            raise CorruptError(f"{len(data)} bytes on what the transform codec reached")
        sample, sharing, streams, tables, peaks, *means = _FORM.unpack(data)
        if not all(map(math.isfinite, (streams, tables, peaks, *means))):
            raise CorruptError("what the transform codec reached is not finite")
        quality = dict(zip(MEASURES, means, strict=True))
        return cls(sample, sharing, streams, tables, peaks, quality)

    def chosen(self) -> dict[str, Any]:
        """Plain values, keyed as fidelity is elsewhere."""
        kinds = {
            kind: {m[2:]: float(f"{self.quality[m]:.4g}") for m in MEASURES if m[:2] == kind}
            for kind in ("tv", "kl")
        }
        size = {"streams": round(self.streams, 3), "tables": round(self.tables, 3)}
        return {
            "peaks": round(self.peaks, 3),
            "bytes_per_label": size,
            **kinds,
            "sample": self.sample,
            "sharing": self.sharing,
        }

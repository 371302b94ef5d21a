"""Rate and distortion that the encoder measured on a sample (SPEC, clause X-17)."""

from __future__ import annotations

import builtins
import math
import struct
from dataclasses import dataclass
from typing import Any

from labelcodec.errors import CorruptError

MEASURES = ("tv1", "tv2", "tv4", "kl1", "kl2", "kl4")
# Each measure, and the range of the bounds that a codec's spec may set on it.
BOUNDS = tuple((name, 1e-6, 1 if name[:2] == "tv" else 1e3) for name in MEASURES)
_FORM = struct.Struct("<2Q9f")
SIZE = _FORM.size


def bounds_of(codec: object) -> dict[str, float]:
    """The bounds that are set in a configuration with a field for each measure."""
    bounds = {measure: getattr(codec, measure) for measure in MEASURES}
    return {measure: bound for measure, bound in bounds.items() if bound is not None}


@dataclass(frozen=True)
class RDReport:
    """Measured rate and distortion, averaged over a sample of the labels.

    Attributes:
        sample: number of labels measured.
        sharing: number of labels expected to share the tables.
        streams: bytes per label of coefficients and peaks.
        tables: bytes per label of the tables, shared by `sharing` labels.
        peaks: corrected classes per label.
        quality: mean total variation to the source at temperatures 1, 2 and 4 ('tv1', …), and mean
            KL divergence from the source in nats ('kl1', …).
    """

    sample: int
    sharing: int
    streams: float
    tables: float
    peaks: float
    quality: dict[str, float]

    @property
    def bytes(self) -> float:
        """Bytes per label, its share of the tables included."""
        return self.streams + self.tables

    def to_bytes(self) -> builtins.bytes:
        """Serialize to a part of the side information (SPEC, section 9.1)."""
        means = (self.quality[measure] for measure in MEASURES)
        return _FORM.pack(self.sample, self.sharing, self.streams, self.tables, self.peaks, *means)

    @classmethod
    def from_bytes(cls, data: builtins.bytes) -> RDReport:
        """Deserialize what `to_bytes` wrote.

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
        """JSON-safe values; `tv` and `kl` map a temperature to its mean, as fidelity reports do."""
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

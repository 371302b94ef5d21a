"""What every byte of a label set is spent on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.progress import Progress
from labelcodec.storage.rates import pruning_factor, raw_bytes, theoretical_rate

if TYPE_CHECKING:
    from labelcodec.entropy.coding import Usage
    from labelcodec.header import Header
    from labelcodec.reader import Reader


@dataclass(frozen=True)
class StreamCost:
    """An entropy-coded stream against its empirical entropy, tables not counted.

    Attributes:
        bytes: bytes as coded.
        entropy_bytes: bytes an ideal coder would need for the same symbols, contexts and
            symbol counts given.
    """

    bytes: int
    entropy_bytes: float

    @property
    def overhead_percent(self) -> float:
        """How far the coder is above the entropy; 0 for a stream without information."""
        if self.entropy_bytes <= 0:
            return 0.0
        return 100.0 * (self.bytes / self.entropy_bytes - 1.0)


@dataclass(frozen=True)
class Breakdown:
    """A label set in bytes.

    Attributes:
        labels, batches, classes: counts.
        bytes_total: bytes of all files of the set.
        components: bytes by component, all component names present; they sum to `bytes_total`.
        streams: the entropy-coded streams.
        source_bytes: the dump it was made from, as it lay on disk; None for a live run.
        raw_bytes: the same labels as full float16 logits in SRe2L's layout.
        theoretical_rate: counts logit values only, see `rates.theoretical_rate`.
        pruning_factor: T over the kept epochs, None where T is not known.
        chosen: what fitting the codec chose and reached, for each side information of the set.
    """

    labels: int
    batches: int
    classes: int
    bytes_total: int
    components: Mapping[str, int]
    streams: Mapping[str, StreamCost]
    source_bytes: int | None
    raw_bytes: int
    theoretical_rate: float
    pruning_factor: float | None
    chosen: Sequence[Mapping[str, Any]] = ()

    @property
    def bytes_per_label(self) -> float | None:
        """`bytes_total` over `labels`; None for an empty set."""
        return self.bytes_total / self.labels if self.labels else None

    @property
    def actual_rate(self) -> float | None:
        """`raw_bytes` over `bytes_total`; None for an empty set."""
        return self.raw_bytes / self.bytes_total if self.labels else None

    @property
    def actual_rate_kept_epochs(self) -> float | None:
        """The actual rate against the raw bytes of all T epochs; None where T is not known."""
        rate, factor = self.actual_rate, self.pruning_factor
        return None if rate is None or factor is None else rate * factor

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return {
            "labels": self.labels,
            "batches": self.batches,
            "classes": self.classes,
            "bytes_total": self.bytes_total,
            "bytes_per_label": self.bytes_per_label,
            "components": dict(self.components),
            "source_bytes": self.source_bytes,
            "raw_bytes": self.raw_bytes,
            "theoretical_rate": self.theoretical_rate,
            "actual_rate": self.actual_rate,
            "actual_rate_kept_epochs": self.actual_rate_kept_epochs,
            "streams": {
                name: {
                    "bytes": cost.bytes,
                    "entropy_bytes": cost.entropy_bytes,
                    "overhead_percent": cost.overhead_percent,
                }
                for name, cost in self.streams.items()
            },
            "chosen": [dict(one) for one in self.chosen],
        }


def breakdown(reader: Reader, progress: Progress | None = None) -> Breakdown:
    """Account for every byte of an opened label set; every batch is read and decoded.

    Args:
        reader: the label set.
        progress: called with (batches done, batches in all).

    Raises:
        LabelcodecError: a batch cannot be read.
    """
    from labelcodec.codecs.streams import COMPONENTS

    header, index = reader.header, reader.index
    components = dict.fromkeys(COMPONENTS, 0)
    usage: dict[str, _Sum] = {}
    for i in range(len(reader)):
        _add(components, reader.component_bytes(i))
        side = reader.side(i)
        for name, use in reader.usage(i).items():
            usage[name] = usage.get(name, _Sum()).plus(use, side)
        if progress is not None:
            progress(i + 1, len(reader))
    _add(components, reader.overhead_bytes())
    labels = int(np.sum(index.samples, dtype=np.int64))
    return Breakdown(
        labels=labels,
        batches=len(reader),
        classes=header.classes,
        bytes_total=sum(path.stat().st_size for path in reader.paths),
        components=components,
        streams={name: total.cost() for name, total in usage.items()},
        source_bytes=_source_bytes(header),
        raw_bytes=raw_bytes(header, index.samples),
        theoretical_rate=theoretical_rate(header, labels),
        pruning_factor=pruning_factor(header, labels),
        chosen=reader.chosen(),
    )


def _source_bytes(header: Header) -> int | None:
    """Size of the source dump; the container does not check what its header says there."""
    size = (header.source or {}).get("bytes")
    return size if isinstance(size, int) and not isinstance(size, bool) else None


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, size in more.items():
        total[name] += size


Tables = tuple[NDArray[np.int64], ...]
Side = tuple[int, int]  # shard, and number of its side information


@dataclass(frozen=True)
class _Sum:
    """A stream's symbol counts by context, added up over the batches that share their tables."""

    tables: Mapping[Side, Tables] = field(default_factory=dict)
    fixed_bits: float = 0.0
    coded_bytes: int = 0

    def plus(self, use: Usage, side: Side) -> _Sum:
        before = self.tables.get(side)
        added = use.tables
        if before is not None:
            added = tuple(a + b for a, b in zip(before, use.tables, strict=True))
        return _Sum(
            {**self.tables, side: added},
            self.fixed_bits + use.fixed_bits,
            self.coded_bytes + use.coded_bytes,
        )

    def cost(self) -> StreamCost:
        every = (counts for tables in self.tables.values() for counts in tables)
        bits = self.fixed_bits + sum(map(_entropy_bits, every))
        return StreamCost(self.coded_bytes, bits / 8)


def _entropy_bits(counts: NDArray[np.int64]) -> float:
    """Bits of (K, S) symbol counts, one ideal static distribution a context (row)."""
    totals = np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape)
    used = counts > 0
    return float((counts[used] * np.log2(totals[used] / counts[used])).sum())

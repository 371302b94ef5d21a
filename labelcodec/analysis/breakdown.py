"""Breakdown of the size of a label set by component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from labelcodec.analysis.no_container import naming_foreign
from labelcodec.analysis.rates import pruning_factor, raw_bytes, theoretical_rate
from labelcodec.codecs.components import COMPONENTS
from labelcodec.codecs.float_bits import nonfinite_labels
from labelcodec.entropy.coding import Usage
from labelcodec.header import Header
from labelcodec.kept_counts import kept_unpadded
from labelcodec.label_files import first_of
from labelcodec.progress import Progress
from labelcodec.reader import Reader
from labelcodec.reader import open as open_containers
from labelcodec.remote import LocationLike
from labelcodec.tail_mass import left_out_mass
from labelcodec.workers import ordered_map


@dataclass(frozen=True)
class StreamCost:
    """Size of an entropy-coded stream and its empirical entropy, both without tables.

    Attributes:
        bytes: size of the coded stream in bytes.
        entropy_bytes: empirical entropy of the symbols in bytes, given their contexts and the
            symbol counts.
    """

    bytes: int
    entropy_bytes: float

    @property
    def overhead_percent(self) -> float:
        """Excess of the coded size over the entropy in percent; 0 if the entropy is 0."""
        if self.entropy_bytes <= 0:
            return 0.0
        return 100.0 * (self.bytes / self.entropy_bytes - 1.0)


@dataclass(frozen=True)
class Breakdown:
    """Size of a label set, broken down by component.

    Attributes:
        labels, batches, classes: number of labels, batches and classes.
        bytes_total: total size of all files of the set in bytes.
        components: component name -> bytes; has all component names and sums to `bytes_total`.
        streams: name -> size of each entropy-coded stream.
        source_bytes: size of the source dump on disk; None if the set was not made from a dump.
        raw_bytes: size of the same labels as full float16 logits: in SRe2L's layout, or bare for
            labels of tokens.
        theoretical_rate: rate that counts logit values only, see `rates.theoretical_rate`.
        pruning_factor: T over the number of kept epochs; None if unknown.
        chosen: parameters chosen by fitting the codec, and the result, one per side information.
        nonfinite_labels: number of labels with NaN or infinite values; None if not decoded.
        undecoded: why labels were not decoded; None if they were.
        kind: 'images' or 'tokens': what the labels are of.
        sequences: number of token sequences; None for images, or if not decoded.
        kept_mass: mean probability, 0..1, of the classes that top-k labels keep; None for full
            labels, or if the labels do not say.
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
    nonfinite_labels: int | None = 0
    undecoded: str | None = None
    kind: str = "images"
    sequences: int | None = None
    kept_mass: float | None = None

    @property
    def bytes_per_label(self) -> float | None:
        """Bytes per label; None for an empty set."""
        return self.bytes_total / self.labels if self.labels else None

    @property
    def actual_rate(self) -> float | None:
        """`raw_bytes` divided by `bytes_total`; None for an empty set."""
        return self.raw_bytes / self.bytes_total if self.labels else None

    @property
    def actual_rate_kept_epochs(self) -> float | None:
        """Actual rate relative to the raw bytes of all T epochs; None if T is unknown."""
        rate, factor = self.actual_rate, self.pruning_factor
        return None if rate is None or factor is None else rate * factor

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON-serializable values."""
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
            "chosen": [dict(choice) for choice in self.chosen],
            "nonfinite_labels": self.nonfinite_labels,
            "undecoded": self.undecoded,
            "kind": self.kind,
            "sequences": self.sequences,
            "kept_mass": self.kept_mass,
        }


def stats(
    labels: Reader | LocationLike | Sequence[LocationLike],
    progress: Progress | None = None,
    *,
    threads: int | None = None,
) -> Breakdown:
    """Break the size of a label set down by component; reads and decodes every batch.

    Sizes by component do not need the codec. If it is not installed, `undecoded` gives the reason
    and `streams` is empty.

    Args:
        labels: an opened label set, or any argument of `labelcodec.open`.
        progress: called with (batches done, total batches).
        threads: most processes at a time, by default as `labelcodec.threads.thread_count` says.

    Raises:
        LabelcodecError: a file or batch cannot be read.
    """
    if not hasattr(labels, "component_bytes"):  # it names a label set
        with naming_foreign(first_of(labels)), open_containers(labels) as reader:
            return stats(reader, progress, threads=threads)
    reader = cast(Reader, labels)
    header, index = reader.header, reader.index
    components = dict.fromkeys(COMPONENTS, 0)
    usage: dict[str, _Sum] = {}
    undecoded = reader.missing_codec()
    measure = partial(_measured, reader, undecoded is None)
    nonfinite = sequences = kept = 0
    left_out = 0.0
    for i, measured in enumerate(
        ordered_map(measure, range(len(reader)), reader.processes(threads))
    ):
        _add(components, measured.sizes)
        nonfinite += measured.nonfinite
        sequences += measured.sequences
        left_out += measured.left_out
        kept += measured.kept
        for name, use in measured.usage.items():
            usage[name] = usage.get(name, _Sum()).plus(use, reader.side(i))
        if progress is not None:
            progress(i + 1, len(reader))
    _add(components, reader.overhead_bytes())
    count = int(np.sum(index.samples, dtype=np.int64))
    return Breakdown(
        labels=count,
        batches=len(reader),
        classes=header.classes,
        bytes_total=reader.size,
        components=components,
        streams={name: total.cost() for name, total in usage.items()},
        source_bytes=_source_bytes(header),
        raw_bytes=raw_bytes(header, index.samples),
        theoretical_rate=theoretical_rate(header, count, kept if undecoded is None else None),
        pruning_factor=pruning_factor(header, count),
        chosen=reader.chosen() if undecoded is None else (),
        nonfinite_labels=nonfinite if undecoded is None else None,
        undecoded=undecoded,
        kind=header.kind or "images",
        sequences=sequences if header.kind == "tokens" and undecoded is None else None,
        kept_mass=1 - left_out / count if _says_mass(header, undecoded, count) else None,
    )


def _says_mass(header: Header, undecoded: str | None, count: int) -> bool:
    """Whether the mass of what labels leave out is known."""
    return header.tail in ("floor", "uniform") and undecoded is None and count > 0


class _Measured(NamedTuple):
    """Facts of a batch.

    Attributes:
        sizes: bytes by component.
        usage: accounting of its streams.
        nonfinite: number of labels with NaN or infinities.
        sequences: number of token sequences that begin in it.
        left_out: sum over labels of the probability of the classes that they leave out.
        kept: sum over top-k labels of the number of classes that they keep.
    """

    sizes: Mapping[str, int]
    usage: Mapping[str, Usage]
    nonfinite: int = 0
    sequences: int = 0
    left_out: float = 0.0
    kept: int = 0


def _measured(reader: Reader, decodes: bool, i: int) -> _Measured:
    sizes = reader.component_bytes(i)
    if not decodes:
        return _Measured(sizes, {})
    batch, usage = reader.usage(i)
    begun = 0 if batch.sequences is None else int((batch.sequences.start == 0).sum())
    is_known = batch.labels.tail in ("floor", "uniform")
    left_out = float(left_out_mass(batch.labels).sum()) if is_known else 0.0
    kept = 0 if batch.labels.index is None else int(kept_unpadded(batch.labels).sum())
    return _Measured(sizes, usage, nonfinite_labels(batch.labels), begun, left_out, kept)


def _source_bytes(header: Header) -> int | None:
    """Size of the source dump, or None; that part of the header is not validated on reading."""
    size = (header.source or {}).get("bytes")
    return size if isinstance(size, int) and not isinstance(size, bool) else None


def _add(total: dict[str, int], sizes: Mapping[str, int]) -> None:
    for name, size in sizes.items():
        total[name] += size


Tables = tuple[NDArray[np.int64], ...]
Side = tuple[int, int]  # (shard, number of the side information in it)


@dataclass(frozen=True)
class _Sum:
    """Symbol counts of a stream by context, summed over the batches that share tables."""

    tables: Mapping[Side, Tables] = field(default_factory=dict)
    fixed_bits: float = 0.0
    coded_bytes: int = 0

    def plus(self, use: Usage, side: Side) -> _Sum:
        before = self.tables.get(side)
        summed = use.tables
        if before is not None:
            summed = tuple(a + b for a, b in zip(before, use.tables, strict=True))
        return _Sum(
            {**self.tables, side: summed},
            self.fixed_bits + use.fixed_bits,
            self.coded_bytes + use.coded_bytes,
        )

    def cost(self) -> StreamCost:
        every = (counts for tables in self.tables.values() for counts in tables)
        bits = self.fixed_bits + sum(map(_entropy_bits, every))
        return StreamCost(self.coded_bytes, bits / 8)


def _entropy_bits(counts: NDArray[np.int64]) -> float:
    """Entropy in bits of (K, S) symbol counts with one static distribution per context (row)."""
    totals = np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape)
    used = counts > 0
    return float((counts[used] * np.log2(totals[used] / counts[used])).sum())

"""Predicted size and fidelity of a label set by codec, and the Pareto-optimal choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labelcodec.analysis.rates import theoretical_rate
from labelcodec.codecs import registry
from labelcodec.codecs.topk.cost import tv4_of_largest
from labelcodec.header import Header
from labelcodec.planner.container import container_components, label_cost
from labelcodec.planner.measured import CHECKED_CLASSES
from labelcodec.planner.peers import (
    PEERS,
    disk_bytes,
    dump_components,
    parse_peer,
    whole_blocks,
)
from labelcodec.planner.setting import Setting, kept_batches

LABELS = ("label index", "label values")
DUMP, MEASURED, BEYOND = "dump files", "measured files", "beyond measured files"
SYNTHETIC = "files of synthetic labels"
AUGMENTATION = ("crop", "flip", "cutout", "randaugment", "mix index", "mix ratio", "mix box")


@dataclass(frozen=True)
class Prediction:
    """Prediction for a label set.

    Attributes:
        codec: codec spec, or a peer's dump: 'sre2l' (also for CDA and RDED), 'lpld', 'lpqld' or
            'lpqld:k=50'.
        keep: fraction of the T epochs kept, in (0, 1].
        labels, batches: number of labels and batches kept; a peer may write a few more.
        components: component name -> bytes, as in `Breakdown`; for a dump, the overhead of
            torch.save counts as framing.
        images_bytes: size of the images the labels belong to.
        disk_bytes: disk usage in whole blocks of 4 KiB per file.
        theoretical_rate: rate that counts logit values only, pruning included.
        actual_rate: size of SRe2L's dump of all T epochs over `bytes_total`.
        disk_rate: disk usage of that dump over `disk_bytes`, the actual rate of arXiv 2604.18135.
        tv4: mean total variation to the full labels at tau = 4, in 0..1; None if unknown.
        basis: basis of the prediction: `DUMP`, the code that writes a peer's files; `MEASURED`,
            measured files; `BEYOND`, measured files, extrapolated beyond the verified class
            counts; `SYNTHETIC`, likewise, but verified on synthetic labels.
        source_bytes: size of SRe2L's dump of these labels, which `encode` reads.
        core_hours: CPU time to encode that dump, in hours; None of a dump, and where the codec's
            speed was not measured.
    """

    codec: str
    keep: float
    labels: int
    batches: int
    components: Mapping[str, int]
    images_bytes: int
    disk_bytes: int
    theoretical_rate: float
    actual_rate: float
    disk_rate: float
    tv4: float | None
    basis: str
    source_bytes: int = 0
    core_hours: float | None = None

    @property
    def bytes_total(self) -> int:
        """Size of the label set in bytes, without the images."""
        return sum(self.components.values())

    def of(self, names: Iterable[str]) -> int:
        """Total bytes of the named components; absent ones count as 0."""
        return sum(self.components.get(name, 0) for name in names)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON-serializable values."""
        groups = {"labels": self.of(LABELS), "augmentation": self.of(AUGMENTATION)}
        return {
            **asdict(self),
            "bytes_total": self.bytes_total,
            "bytes_per_label": self.bytes_total / self.labels,
            **{f"{name}_bytes": size for name, size in groups.items()},
        }


def predict(spec: str, setting: Setting, keep: float) -> Prediction:
    """Predict size and fidelity of the labels for one codec and fraction kept.

    Args:
        spec: codec or dump, as in `Prediction.codec`.
        setting: the data set.
        keep: fraction of the T epochs kept, in (0, 1].

    Raises:
        ConfigError: the spec is invalid or cannot be predicted, or `keep` is out of range.
        NotMeasured: the codec has no cost function.
    """
    kept = kept_batches(setting, keep)
    basis, seconds = DUMP, None
    source = sum(dump_components("sre2l", None, setting, kept).values())
    if spec.partition(":")[0] in PEERS:
        layout, k = parse_peer(spec, setting.classes)
        components = dump_components(layout, k, setting, kept)
        on_disk = disk_bytes(layout, k, setting, kept)
        tv4 = 0.0 if k is None else tv4_of_largest(k, setting.classes)
    else:
        cost = label_cost(spec, setting, kept.labels)
        components, tv4 = container_components(cost, setting, kept), cost.tv4
        seconds = cost.seconds
        on_disk = whole_blocks(sum(components.values()))
        k, _ = registry.parse(spec).kept(None, None)
        low, high = CHECKED_CLASSES
        basis = MEASURED if low <= setting.classes <= high else BEYOND
        if setting.classes > high and cost.checked_beyond:
            basis = SYNTHETIC
    every = kept_batches(setting, 1)
    raw = dump_components("sre2l", None, setting, every)
    header = Header(setting.classes, k=k, images=setting.images, epochs=setting.epochs)
    return Prediction(
        codec=spec,
        keep=keep,
        labels=kept.labels,
        batches=kept.count,
        components={name: size for name, size in components.items() if size},
        images_bytes=round(setting.images * setting.image_bytes),
        disk_bytes=on_disk,
        theoretical_rate=theoretical_rate(header, kept.labels),
        actual_rate=sum(raw.values()) / sum(components.values()),
        disk_rate=disk_bytes("sre2l", None, setting, every) / on_disk,
        tv4=tv4,
        basis=basis,
        source_bytes=source,
        core_hours=None if seconds is None else seconds * source / 1e9 / 3600,
    )


def pareto(predictions: Sequence[Prediction]) -> list[Prediction]:
    """The Pareto-optimal predictions: by fewer bytes, more labels, and less total variation.

    The number of labels and their fidelity are separate criteria, as their trade-off depends on
    the student. Predictions whose total variation is unknown are never Pareto-optimal; they count
    as 0 when others are compared with them.
    """
    costs = [(item.bytes_total, -item.labels, item.tv4 or 0.0) for item in predictions]

    def dominated(cost: tuple[int, int, float]) -> bool:
        return any(
            rival != cost and all(a <= b for a, b in zip(rival, cost, strict=True))
            for rival in costs
        )

    return [
        item
        for item, cost in zip(predictions, costs, strict=True)
        if item.tv4 is not None and not dominated(cost)
    ]

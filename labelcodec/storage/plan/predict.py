"""What a way of storing the labels of a data set will take, and which ways are worth a look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labelcodec.codecs import registry
from labelcodec.codecs.transform import Transform
from labelcodec.header import Header
from labelcodec.storage.plan.container import container_components
from labelcodec.storage.plan.labels import topk_tv4
from labelcodec.storage.plan.measured import CHECKED_CLASSES
from labelcodec.storage.plan.peers import PEERS, disk_bytes, dump_components, parse_peer
from labelcodec.storage.plan.setting import Setting, kept_batches
from labelcodec.storage.rates import theoretical_rate

LABELS = ("label index", "label values")
DUMP, MEASURED, BEYOND = "dump files", "measured files", "beyond measured files"
SYNTHETIC = "files of synthetic labels"
AUGMENTATION = ("crop", "flip", "cutout", "randaugment", "mix index", "mix ratio", "mix box")


@dataclass(frozen=True)
class Prediction:
    """A predicted label set.

    Attributes:
        codec: spec of a codec, or a peer's dump: 'sre2l' (CDA's and RDED's, too), 'lpld', 'lpqld'
            or 'lpqld:k=50'.
        keep: fraction of the T epochs kept.
        labels, batches: how many are kept; a peer may write a few more.
        components: bytes by component, as in a breakdown; a dump's framing is torch's wrapping.
        images_bytes: of the images the labels belong to.
        disk_bytes: in blocks of 4 KiB a file; None for a container, one file.
        theoretical_rate: counts logit values only, pruning included.
        actual_rate: SRe2L's dump of all T epochs over these bytes.
        tv4: mean total variation to the full labels at tau = 4; None where it is not known.
        basis: what it rests on: how a peer's code writes its files; files that were measured; the
            same, with more or fewer classes than the rules were checked for; or with so many
            that they were checked with synthetic labels alone.
    """

    codec: str
    keep: float
    labels: int
    batches: int
    components: Mapping[str, int]
    images_bytes: int
    disk_bytes: int | None
    theoretical_rate: float
    actual_rate: float
    tv4: float | None
    basis: str

    @property
    def bytes_total(self) -> int:
        """Of the label set, without the images."""
        return sum(self.components.values())

    def of(self, names: Iterable[str]) -> int:
        """Bytes of some components together."""
        return sum(self.components.get(name, 0) for name in names)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        groups = {"labels": self.of(LABELS), "augmentation": self.of(AUGMENTATION)}
        return {
            **asdict(self),
            "bytes_total": self.bytes_total,
            "bytes_per_label": self.bytes_total / self.labels,
            **{f"{name}_bytes": size for name, size in groups.items()},
        }


def predict(spec: str, setting: Setting, keep: float) -> Prediction:
    """Predict one way of storing the labels.

    Args:
        spec: as in `Prediction.codec`.
        setting: the data set.
        keep: fraction of the T epochs kept, 0..1.

    Raises:
        ConfigError: a spec or a fraction that cannot be predicted.
    """
    kept = kept_batches(setting, keep)
    on_disk, basis = None, DUMP
    if spec.partition(":")[0] in PEERS:
        layout, k = parse_peer(spec, setting.classes)
        components = dump_components(layout, k, setting, kept)
        on_disk = disk_bytes(layout, k, setting, kept)
        tv4 = 0.0 if k is None else topk_tv4(k, setting.classes)
    else:
        components, tv4 = container_components(spec, setting, kept)
        codec = registry.parse(spec)
        k = getattr(codec, "k", None)
        low, high = CHECKED_CLASSES
        basis = MEASURED if low <= setting.classes <= high else BEYOND
        if setting.classes > high and isinstance(codec, Transform):
            basis = SYNTHETIC
    every = dump_components("sre2l", None, setting, kept_batches(setting, 1))
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
        actual_rate=sum(every.values()) / sum(components.values()),
        tv4=tv4,
        basis=basis,
    )


def pareto(found: Sequence[Prediction]) -> list[Prediction]:
    """Those that no other one beats: fewer bytes, more labels, less total variation.

    Labels and fidelity are kept apart on purpose: how much of one is worth how much of the other
    depends on the student. What has no known total variation is left out, and beats what it would
    beat without any.
    """
    marks = [(one.bytes_total, -one.labels, one.tv4 or 0.0) for one in found]

    def beaten(mark: tuple[int, int, float]) -> bool:
        return any(
            other != mark and all(a <= b for a, b in zip(other, mark, strict=True))
            for other in marks
        )

    return [
        one
        for one, mark in zip(found, marks, strict=True)
        if one.tv4 is not None and not beaten(mark)
    ]

"""Are two label sets the same, and if not, how far apart are they?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from labelcodec.augment.parts import augmentation_parts, same_bits
from labelcodec.batch import LabelBatch, Labels
from labelcodec.progress import Progress
from labelcodec.storage.fidelity import Accumulator, Fidelity


class LabelSet(Protocol):
    """Anything that hands out batches by position, such as a Reader."""

    def __len__(self) -> int:
        """Number of batches."""

    def __getitem__(self, i: int) -> LabelBatch:
        """Batch at position i."""


@dataclass(frozen=True)
class Comparison:
    """The outcome of a comparison.

    Attributes:
        batches: batches of the first set.
        identical: every array equal bit for bit and in dtype, and every number equal.
        difference: what differs first, None when identical.
        fidelity: how far the labels are apart; None when there are none, or the two sets do not
            label the same samples.
    """

    batches: int
    identical: bool
    difference: str | None
    fidelity: Fidelity | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return {
            "batches": self.batches,
            "identical": self.identical,
            "difference": self.difference,
            "fidelity": self.fidelity.to_json() if self.fidelity else None,
        }


def compare_sets(a: LabelSet, b: LabelSet, progress: Progress | None = None) -> Comparison:
    """Compare two label sets batch by batch, by position; memory stays that of one batch.

    Crop boxes are compared as the fractions they stand for, since a dump does not say how many
    pixels its images have.

    Args:
        a: the reference: the P of the distances.
        b: the other one.
        progress: called with (batches done, batches in all).

    Raises:
        LabelcodecError: a batch cannot be read.
    """
    if len(a) != len(b):
        return Comparison(len(a), False, f"{len(a)} batches against {len(b)}", None)
    distances = Accumulator()
    difference = None
    for i in range(len(a)):
        one, other = a[i], b[i]
        where = f"batch {one.number}"
        unlike = _other_samples(one, other)
        if unlike:
            return Comparison(len(a), False, difference or f"{where}: {unlike}", None)
        if difference is None:
            part = _first_difference(one, other)
            difference = part and f"{where}: {part}"
        distances.add(one.labels, other.labels)
        if progress:
            progress(i + 1, len(a))
    found = distances.result() if distances.labels else None
    return Comparison(len(a), difference is None, difference, found)


def _other_samples(a: LabelBatch, b: LabelBatch) -> str | None:
    """Why the labels of two batches cannot be held against each other, if so."""
    if a.number != b.number or a.epoch != b.epoch:
        return f"number {a.number} of epoch {a.epoch} against number {b.number} of epoch {b.epoch}"
    if len(a) != len(b):
        return f"{len(a)} samples against {len(b)}"
    if a.labels.classes != b.labels.classes:
        return f"{a.labels.classes} classes against {b.labels.classes}"
    return None if same_bits(a.image_index, b.image_index) else "image indices differ"


def _first_difference(a: LabelBatch, b: LabelBatch) -> str | None:
    one, other = _parts(a), _parts(b)
    for name in {**one, **other}:
        if not same_bits(one.get(name), other.get(name)):
            return f"{name} {_how(one.get(name), other.get(name))}"
    return None


def _how(a: Any, b: Any) -> str:
    if a is None or b is None:
        return f"missing in the {'first' if a is None else 'second'}"
    return f"differ, {a} against {b}" if isinstance(a, str) else "differ"


def _parts(batch: LabelBatch) -> dict[str, Any]:
    """Everything recorded beside number, epoch and image indices, by name."""
    return {**augmentation_parts(batch.augmentation), **_label_parts(batch.labels)}


def _label_parts(labels: Labels) -> dict[str, Any]:
    labels = labels.expanded()
    return {
        "kinds of labels": "full" if labels.k is None else f"top-{labels.k}",
        "label spaces": labels.space,
        "label precisions": labels.precision,
        "label tails": labels.tail,
        "label classes": labels.index,
        "label values": labels.value,
        "label floors": labels.floor,
    }

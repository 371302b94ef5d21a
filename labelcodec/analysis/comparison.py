"""Comparison of two label sets: identity, first difference and fidelity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from labelcodec.analysis.fidelity import Accumulator, Fidelity
from labelcodec.analysis.same_bytes import SameBytes
from labelcodec.augmentation.facts import augmentation_facts, same_bits
from labelcodec.batch import LabelBatch, Labels
from labelcodec.progress import Progress
from labelcodec.reader import Reader
from labelcodec.sequences import Sequences
from labelcodec.wording import counted
from labelcodec.workers import ordered_map


class LabelSet(Protocol):
    """A sequence of batches, such as a `Reader`."""

    def __len__(self) -> int:
        """Number of batches."""

    def __getitem__(self, i: int) -> LabelBatch:
        """Batch at position i."""


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison.

    Attributes:
        batches: number of batches of the first set.
        identical: whether all arrays have equal dtypes and bits, and all numbers are equal.
        difference: description of the first difference; None if identical.
        fidelity: distances between the labels; None if there are no labels, or if the sets do not
            label the same samples.
        rounded: whether a dump holds float64 labels, of which float32 values were compared.
    """

    batches: int
    identical: bool
    difference: str | None
    fidelity: Fidelity | None
    rounded: bool = False

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON-serializable values."""
        return {
            "batches": self.batches,
            "identical": self.identical,
            "difference": self.difference,
            "fidelity": self.fidelity.to_json() if self.fidelity else None,
            "rounded": self.rounded,
        }


def compare_sets(
    a: LabelSet, b: LabelSet, progress: Progress | None = None, *, threads: int | None = None
) -> Comparison:
    """Compare two label sets batch by batch, by position, with a few batches of each in memory.

    Crop boxes are compared as fractions of the image sides, since a dump does not record the size
    of its images in pixels.

    Args:
        a: the reference, P in the distances.
        b: the set to measure, Q in the distances.
        progress: called with (batches done, total batches).
        threads: most processes at a time, by default as `labelcodec.threads.thread_count` says.

    Raises:
        LabelcodecError: a batch cannot be read.
    """
    if len(a) != len(b):
        return Comparison(len(a), False, f"{counted(len(a), 'batch')} against {len(b)}", None)
    distances = Accumulator()
    difference = None
    compared = partial(_compared, a, b, SameBytes(a, b))
    for labels in (a, b):
        threads = labels.processes(threads) if isinstance(labels, Reader) else threads
    for i, batch in enumerate(ordered_map(compared, range(len(a)), threads)):
        difference = difference or batch.difference
        if batch.distances is None:
            return Comparison(len(a), False, difference, None)
        distances.merge(batch.distances)
        if progress:
            progress(i + 1, len(a))
    fidelity = distances.result() if distances.labels else None
    return Comparison(len(a), difference is None, difference, fidelity)


@dataclass(frozen=True)
class _Compared:
    """What differs between two batches; distances are None if their samples differ."""

    difference: str | None
    distances: Accumulator | None


def _compared(a: LabelSet, b: LabelSet, same_bytes: SameBytes, i: int) -> _Compared:
    left = a[i]
    right = left if same_bytes.of(i) else b[i]
    where = f"batch {left.number}: "
    if mismatch := _sample_mismatch(left, right):
        return _Compared(where + mismatch, None)
    part = None if right is left else _first_difference(left, right)
    distances = Accumulator()
    distances.add(left.labels, right.labels)
    return _Compared(part and where + part, distances)


def _sample_mismatch(a: LabelBatch, b: LabelBatch) -> str | None:
    """Why the labels of two batches are not comparable, or None if they are."""
    if a.number != b.number or a.epoch != b.epoch:
        return f"number {a.number} of epoch {a.epoch} against number {b.number} of epoch {b.epoch}"
    if len(a) != len(b):
        return f"{counted(len(a), 'sample')} against {len(b)}"
    if a.labels.classes != b.labels.classes:
        return f"{counted(a.labels.classes, 'class')} against {b.labels.classes}"
    if same_bits(a.image_index, b.image_index):
        return None
    return "image indices differ" if a.sequences is None else "numbers of sequences differ"


def _first_difference(a: LabelBatch, b: LabelBatch) -> str | None:
    left, right = _parts(a), _parts(b)
    for name in {**left, **right}:
        if not same_bits(left.get(name), right.get(name)):
            return f"{name} {_describe_difference(left.get(name), right.get(name))}"
    return None


def _describe_difference(a: Any, b: Any) -> str:
    if a is None or b is None:
        return f"missing in the {'first' if a is None else 'second'}"
    return f"differ, {a} against {b}" if isinstance(a, str) else "differ"


def _parts(batch: LabelBatch) -> dict[str, Any]:
    """All recorded parts except number, epoch and image indices, by name."""
    return {
        **augmentation_facts(batch.augmentation),
        **_sequence_parts(batch.sequences),
        **_label_parts(batch.labels),
    }


def _sequence_parts(sequences: Sequences | None) -> dict[str, Any]:
    """What is recorded of token sequences, by name."""
    if sequences is None:
        return {}
    return {
        "sequence lengths": sequences.length,
        "sequence starts": sequences.start,
        "sequence digests": sequences.digest,
        "sequence names": sequences.names,
        "token ids": sequences.tokens,
        "loss masks": sequences.mask,
        "prompt lengths": sequences.prompt,
    }


def _label_parts(labels: Labels) -> dict[str, Any]:
    labels = labels.expanded()
    return {
        "kinds of labels": "full" if labels.k is None else f"top-{labels.k}",
        "label spaces": labels.space,
        "label precisions": labels.precision,
        "label tails": labels.tail,
        "numbers of kept classes": labels.count,
        "label classes": labels.index,
        "label values": labels.value,
        "label floors": labels.floor,
    }

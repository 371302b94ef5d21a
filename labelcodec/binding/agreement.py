"""Agreement of the teacher's top class with the class of the image's folder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.mix import Mix
from labelcodec.batch import LabelBatch, Labels
from labelcodec.wording import counted

SAMPLE_LABELS = 4096  # labels that are compared where all would be too many
SAMPLE_BATCHES = 256
LOW = 0.15  # share above chance that any teacher reaches who sees what it was trained on
FEWEST = 16  # labels from which on a low share is told
DROP = 0.5  # share above chance, relative to the recorded one, below which the folder is another


@dataclass(frozen=True)
class Agreement:
    """How many labels name the class of their image's folder first (SPEC, section 4.1).

    The image of a mixed sample is the one that takes the larger part of it.

    Attributes:
        labels: number of labels compared.
        agreeing: those whose top class is the folder's.
    """

    labels: int
    agreeing: int

    @property
    def share(self) -> float:
        """Share of agreeing labels, 0..1; 0 without labels."""
        return self.agreeing / max(self.labels, 1)

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.labels + other.labels, self.agreeing + other.agreeing)

    def __str__(self) -> str:
        return f"{100 * self.share:.1f} % of {counted(self.labels, 'label')}"

    def to_map(self) -> dict[str, int]:
        """The header's map."""
        return {"labels": self.labels, "agreeing": self.agreeing}


@dataclass(frozen=True)
class Measured:
    """An agreement and what tells why it is low.

    Attributes:
        agreement: the counts.
        chance: share that would agree if labels and folders had nothing to do with each other, by
            their class frequencies.
        elsewhere: share above chance of labels that agree once folders and classes are matched
            anew, one to one, by the other half of the labels.
    """

    agreement: Agreement
    chance: float
    elsewhere: float = 0.0

    @property
    def above_chance(self) -> float:
        """The share above chance: 0 if labels and folders have nothing to do with each other."""
        return (self.agreement.share - self.chance) / max(1 - self.chance, 1e-9)

    def is_below(self, share: float) -> bool:
        """Whether the share above chance is below this one by more than a standard deviation."""
        labels, expected = self.agreement.labels, self.chance + share * (1 - self.chance)
        spread = math.sqrt(labels * expected * (1 - expected)) if expected < 1 else 0.0
        return labels >= FEWEST and self.agreement.agreeing < labels * expected - spread


def measure(
    batches: Iterable[LabelBatch],
    class_of_image: NDArray[np.int64],
    classes: int,
    size: tuple[int, int] | None = None,
) -> Measured:
    """Compare the top classes of labels with the classes of their images.

    Args:
        batches: the batches.
        class_of_image: (N,) label class of each image's folder; -1 where the labels lack it.
            Images outside of it are not counted.
        classes: C.
        size: height, width of the network input, for the area of CutMix boxes; None if unknown.
    """
    counted = [_pairs(batch, class_of_image, size) for batch in batches]
    none = np.zeros((0, 2), np.int64)
    folder, top = np.concatenate(counted or [none]).T
    labels = len(top)
    agreement = Agreement(labels, int((folder == top).sum()))
    if not labels or classes < 2:
        return Measured(agreement, 1.0)
    frequency = np.bincount(top, minlength=classes) / labels
    chance = float(frequency[folder].mean())
    return Measured(agreement, chance, _elsewhere(folder, top, frequency))


def sampled(lengths: Sequence[int]) -> list[int]:
    """Positions of batches, evenly spread, that hold up to `SAMPLE_LABELS` labels."""
    if not len(lengths):
        return []
    usual = max(int(np.mean(lengths)), 1)
    count = min(len(lengths), max(SAMPLE_LABELS // usual, 1), SAMPLE_BATCHES)
    return [i * len(lengths) // count for i in range(count)]


def top_classes(labels: Labels) -> NDArray[np.int64]:
    """(B,) class of the largest value of each label."""
    labels = labels.expanded()
    best: NDArray[np.int64] = labels.value.argmax(axis=1)
    if labels.index is not None:
        best = labels.index[np.arange(len(best)), best]
    return best


def main_images(batch: LabelBatch, size: tuple[int, int] | None = None) -> NDArray[np.int64]:
    """(B,) index of the image that takes the larger part of each sample.

    Args:
        batch: the batch.
        size: height, width of the network input; without it the ratio of a CutMix is its area.
    """
    mix = batch.augmentation.mix
    if mix is None or own_share(mix, size) >= 0.5:
        return batch.image_index
    return batch.image_index[mix.partner]


def own_share(mix: Mix, size: tuple[int, int] | None) -> float:
    """Share of a mixed sample that is its own image's, 0..1."""
    if mix.box is None or size is None:
        return mix.ratio
    row0, row1, column0, column1 = mix.box
    return 1 - (row1 - row0) * (column1 - column0) / (size[0] * size[1])


def warnings_of(measured: Measured, recorded: Agreement | None, where: str) -> tuple[str, ...]:
    """What to tell the user of an agreement, a sentence each; nothing if it is as it should be.

    Args:
        measured: the agreement of labels and folder.
        recorded: the agreement in the header of the labels, if any.
        where: name of the folder.
    """
    share = f"the teacher's top class is the class of the folder for {measured.agreement}"
    if recorded is not None and recorded.labels >= FEWEST:
        before = Measured(recorded, measured.chance).above_chance
        if before > LOW and measured.is_below(DROP * before):
            return (
                f"{where}: {share}, and was for {recorded} when they were made: this is another "
                "folder, has images more or less, or lists its images or classes in another order",
            )
    if not measured.is_below(LOW):
        return ()
    low = f"{where}: {share}, near chance ({100 * measured.chance:.1f} %)"
    if measured.elsewhere > LOW:
        return (
            f"{low}, although labels of one class agree with each other: classes or images are in "
            "another order than the teacher's; pass `class_map` with the teacher's order of the "
            "classes, or the folder that the labels were made from",
        )
    return (
        f"{low}: the labels are not of these images, or the teacher saw them in another size, "
        "normalisation or colour order than it was trained on; check `image_size` and "
        "`normalisation`",
    )


def agreement_of(data: Mapping[str, Any]) -> Agreement:
    """The agreement in a header's map.

    Raises:
        ValueError: not two counts, the second at most the first.
    """
    labels, agreeing = data.get("labels"), data.get("agreeing")
    if type(labels) is not int or type(agreeing) is not int or not 0 <= agreeing <= labels:
        raise ValueError
    return Agreement(labels, agreeing)


def _pairs(
    batch: LabelBatch, class_of_image: NDArray[np.int64], size: tuple[int, int] | None
) -> NDArray[np.int64]:
    """(n, 2) class of the folder and top class of the labels that can be compared."""
    image = main_images(batch, size)
    inside = image < len(class_of_image)
    folder = class_of_image[image[inside]]
    both = np.stack([folder, top_classes(batch.labels)[inside]], axis=1)
    return both[folder >= 0]


def _elsewhere(
    folder: NDArray[np.int64], top: NDArray[np.int64], frequency: NDArray[np.float64]
) -> float:
    """Share above chance of agreeing labels if every folder is another class than its own.

    On half of the labels, the pairs of folder and top class that occur most often are matched one
    to one. The other half says whether that holds.
    """
    both = np.stack([folder, top], axis=1)[np.argsort(folder, kind="stable")]
    pairs, counts = np.unique(both[::2], axis=0, return_counts=True)
    matched: dict[int, int] = {}
    taken: set[int] = set()
    for own, class_ in pairs[np.argsort(-counts, kind="stable")].tolist():
        if own not in matched and class_ not in taken:
            matched[own] = class_
            taken.add(class_)
    rest = both[1::2]
    named = np.array([matched.get(own, -1) for own in rest[:, 0].tolist()], np.int64)
    if not len(rest):
        return 0.0
    chance = float(np.where(named < 0, 0.0, frequency[named]).mean())
    return (float((named == rest[:, 1]).mean()) - chance) / max(1 - chance, 1e-9)

"""What a batch says of each of its samples, as data that `sheet` and `page` draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch, Labels
from labelcodec.reader import Reader

TOP = 5  # classes shown of each label


@dataclass(frozen=True)
class TopClass:
    """One of the most probable classes of a label.

    Attributes:
        name: its name, or 'class N'.
        probability: softmax of the label at temperature 1, 0..1.
    """

    name: str
    probability: float


@dataclass(frozen=True, eq=False)
class SampleView:
    """One sample.

    Attributes:
        row: position in the batch, 0..B-1.
        image: image index.
        name: name of the image; None if it is not known.
        class_name: name of the class of its folder; None if it is not known.
        image_size: height, width of the image in pixels; None if they are not known.
        crop: (top, left, height, width) in pixels of the image, or in fractions of its sides where
            `image_size` is None; None without a crop.
        is_flipped: whether it is flipped; None where flips are not recorded.
        cutout: (row0, row1, column0, column1) fractions of the input that are painted over, as
            recorded; None without cutout.
        partner: row of the sample that it is mixed with; None without mixing.
        top: the most probable classes, none of probability 0, the first of them first; empty for a
            label without softmax.
        others: probability of all other classes together.
        original: (H, W, 3) uint8 image; None without images.
        student: (h, w, 3) uint8, what the student sees: augmented and mixed; None without images.
    """

    row: int
    image: int
    name: str | None
    class_name: str | None
    image_size: tuple[int, int] | None
    crop: tuple[float, float, float, float] | None
    is_flipped: bool | None
    cutout: tuple[float, ...] | None
    partner: int | None
    top: tuple[TopClass, ...]
    others: float
    original: NDArray[np.uint8] | None = None
    student: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class BatchView:
    """A batch.

    Attributes:
        file: the label set.
        position: position of the batch in it.
        number: number of the batch among those that the teacher labelled.
        epoch: its epoch.
        length: B, its number of samples.
        classes: C.
        size: height, width of the network input in pixels; None if it is not recorded.
        mix: 'cutmix', 'mixup' or None.
        ratio: the ratio as drawn; 1 without mixing.
        box: (row0, row1, column0, column1) that CutMix pastes, in pixels of the network input.
        operations: RandAugment operations per sample.
        samples: the first samples of the batch.
    """

    file: str
    position: int
    number: int
    epoch: int
    length: int
    classes: int
    size: tuple[int, int] | None
    mix: str | None
    ratio: float
    box: tuple[int, int, int, int] | None
    operations: int
    samples: tuple[SampleView, ...]


def view_batch(
    reader: Reader,
    position: int,
    most: int,
    *,
    batch: LabelBatch | None = None,
    image_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    label_class: NDArray[np.int64] | None = None,
) -> BatchView:
    """What a batch says, without pixels.

    Args:
        reader: the label set.
        position: position of the batch in it.
        most: largest number of samples shown.
        batch: the batch, if it has been read.
        image_names: (N,) names of the images; by default those that the file holds.
        class_names: C names, '' where unknown; by default those that the file holds.
        label_class: (N,) class of each image's folder, if it is known.

    Raises:
        NeedsImagesError: the labels are a function of their images.
        LabelcodecError: the batch is damaged.
    """
    header, batch = reader.header, batch if batch is not None else reader[position]
    mix, operations = batch.augmentation.mix, batch.augmentation.randaugment
    name_of = _naming(class_names or header.class_names or ())
    names = image_names if image_names is not None else (reader.names or ())
    rows = range(min(most, len(batch)))
    probabilities = softmax(batch.labels.rows(slice(len(rows))))
    samples = [_sample(batch, row, names, label_class, name_of, probabilities[row]) for row in rows]
    return BatchView(
        file=str(reader.paths[0]),
        position=position,
        number=batch.number,
        epoch=batch.epoch,
        length=len(batch),
        classes=header.classes,
        size=header.image_size,
        mix=None if mix is None else mix.kind,
        ratio=1.0 if mix is None else mix.ratio,
        box=None if mix is None else mix.box,
        operations=0 if operations is None else operations.op.shape[1],
        samples=tuple(samples),
    )


def softmax(labels: Labels) -> NDArray[np.float64]:
    """(B, C) float64 probabilities at temperature 1; rows of NaN for labels without softmax."""
    values = labels.dense().astype(np.float64)
    if labels.space == "probabilities":
        return values
    with np.errstate(invalid="ignore", over="ignore"):
        powers = np.exp(values - values.max(axis=1, keepdims=True, initial=-np.inf))
        probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _naming(names: Sequence[str]) -> Callable[[int], str]:
    def name_of(class_: int) -> str:
        return (names[class_] if class_ < len(names) else "") or f"class {class_}"

    return name_of


def _sample(
    batch: LabelBatch,
    row: int,
    names: Sequence[str],
    label_class: NDArray[np.int64] | None,
    name_of: Callable[[int], str],
    probability: NDArray[np.float64],
) -> SampleView:
    augmentation, image = batch.augmentation, int(batch.image_index[row])
    crop, mix, cutout = augmentation.crop, augmentation.mix, augmentation.cutout
    own = -1 if label_class is None or image >= len(label_class) else int(label_class[image])
    size = None if crop is None or crop.size is None else crop.size[row]
    best = np.argsort(-probability, kind="stable")[:TOP]
    is_known = bool(np.isfinite(probability).all())
    return SampleView(
        row=row,
        image=image,
        name=names[image] if image < len(names) else None,
        class_name=None if own < 0 else name_of(own),
        image_size=None if size is None else (int(size[0]), int(size[1])),
        crop=None if crop is None else _four(crop.box[row]),
        is_flipped=None if augmentation.flip is None else bool(augmentation.flip[row]),
        cutout=None if cutout is None else tuple(map(float, cutout[row])),
        partner=None if mix is None else int(mix.partner[row]),
        top=tuple(
            TopClass(name_of(int(c)), float(probability[c]))
            for c in best
            if is_known and probability[c] > 0
        ),
        others=max(0.0, 1 - float(probability[best].sum())) if is_known else 0.0,
    )


def _four(numbers: NDArray[Any]) -> tuple[float, float, float, float]:
    top, left, height, width = numbers.tolist()
    return top, left, height, width

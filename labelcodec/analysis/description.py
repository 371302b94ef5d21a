"""JSON-serializable descriptions of label sets and batches, for inspection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.analysis.json_safe import json_safe
from labelcodec.augmentation.parts import Augmentation
from labelcodec.batch import LabelBatch, Labels
from labelcodec.errors import LabelcodecError, NeedsImagesError
from labelcodec.sequences import Sequences
from labelcodec.wording import counted

if TYPE_CHECKING:
    from labelcodec.header import Header
    from labelcodec.reader import Reader

SHOWN = 4
_LARGEST = 5


def describe_set(reader: Reader) -> dict[str, Any]:
    """Header, index summary and files of an opened label set, as JSON-serializable values."""
    index = reader.index
    samples = index.samples
    chosen, damage = _chosen(reader)
    return {
        "files": [str(path) for path in reader.paths],
        "header": json_safe(_header(reader.header)),
        "index": {
            "batches": len(reader),
            "labels": int(samples.sum(dtype=np.int64)),
            "batch_numbers": _range(index.number),
            "batch_sizes": _range(samples),
            "batch_bytes": _range(index.size),
            "epochs": len(np.unique(index.epoch)),
        },
        "chosen": chosen,
        "damage": damage,
        "image_names": None if reader.names is None else len(reader.names),
    }


def describe_batch(reader: Reader, i: int) -> dict[str, Any]:
    """Counts, sizes and first samples of the batch at position i, as JSON-serializable values.

    Labels that are computed from their images have no values here: `largest` is None.
    """
    batch = reader[i]
    labels = _values(batch.labels)
    description: dict[str, Any] = json_safe(
        {
            "position": i,
            "number": batch.number,
            "epoch": batch.epoch,
            "samples": len(batch),
            "components": reader.component_bytes(i),
            "labels": _labels(batch.labels),
            "augmentation": _whole_batch(batch.augmentation),
            "first_samples": [_sample(batch, labels, row) for row in range(min(SHOWN, len(batch)))],
        }
    )
    return description


def _header(header: Header) -> dict[str, Any]:
    """The header as a map; image sizes that differ, names and colours are summarized."""
    shown = header.to_map()
    if header.class_names is not None:
        shown["class_names"] = sum(1 for name in header.class_names if name)
    if header.pixels is not None:
        shown["pixels"] = header.pixels.digest
    if header.recipe is not None and isinstance(header.recipe.sizes, bytes):
        shown["recipe"]["sizes"] = f"of {counted(header.recipe.images, 'image')}"
    return shown


def _chosen(reader: Reader) -> tuple[list[dict[str, Any]], str | None]:
    """The fitted parameters of each side information, or why they cannot be read."""
    try:
        return reader.chosen(), None
    except LabelcodecError as error:
        return [], str(error)


def _range(column: NDArray[Any]) -> list[int] | None:
    """[smallest, largest] value of a column; None if it is empty."""
    return [int(column.min()), int(column.max())] if len(column) else None


def _labels(labels: Labels) -> dict[str, Any]:
    return {
        "classes": labels.classes,
        "space": labels.space,
        "precision": labels.precision,
        "k": labels.k,
        "tail": labels.tail,
    }


def _whole_batch(augmentation: Augmentation) -> dict[str, Any]:
    """Augmentation parameters that apply to the whole batch."""
    mix, drawn = augmentation.mix, augmentation.randaugment
    return {
        "mix": mix and {"kind": mix.kind, "ratio": mix.ratio, "box": mix.box and list(mix.box)},
        "randaugment": None if drawn is None else {"operations": drawn.op.shape[1]},
    }


def _values(labels: Labels) -> Labels | None:
    """The labels as values; None where only their images give them."""
    try:
        return labels.expanded()
    except NeedsImagesError:
        return None


def _largest(labels: Labels, row: int) -> list[tuple[int, float]]:
    """Class and value of the largest label values of a sample."""
    order = np.argsort(-labels.value[row].astype(np.float64), kind="stable")[:_LARGEST]
    classes = order if labels.index is None else labels.index[row, order]
    return [
        (int(class_), float(labels.value[row, position]))
        for class_, position in zip(classes, order, strict=True)
    ]


def _position(batch: LabelBatch, sequences: Sequences, row: int) -> dict[str, Any]:
    """Where a sample of a batch of token sequences stands."""
    number = int(np.searchsorted(sequences.first, row, side="right")) - 1
    place = row - int(sequences.first[number]) + int(sequences.start[number])
    return {
        "sequence": int(batch.image_index[row]),
        "name": None if sequences.names is None else sequences.names[number],
        "position": place,
        "token": None if sequences.tokens is None else int(sequences.tokens[row]),
        "in_loss": sequences.mask is None or bool(sequences.mask[row]),
    }


def _sample(batch: LabelBatch, labels: Labels | None, row: int) -> dict[str, Any]:
    """One sample: image, augmentation and largest label values."""
    if batch.sequences is not None:
        return {
            **_position(batch, batch.sequences, row),
            "largest": None if labels is None else _largest(labels, row),
        }
    augmentation = batch.augmentation
    crop, mix = augmentation.crop, augmentation.mix
    return {
        "image": int(batch.image_index[row]),
        "crop": None if crop is None else crop.box[row].tolist(),
        "image_size": None if crop is None or crop.size is None else crop.size[row].tolist(),
        "flip": None if augmentation.flip is None else bool(augmentation.flip[row]),
        "mix_partner": None if mix is None else int(mix.partner[row]),
        "cutout": None if augmentation.cutout is None else augmentation.cutout[row].tolist(),
        "largest": None if labels is None else _largest(labels, row),
    }

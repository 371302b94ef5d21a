"""What a golden file holds, and helpers to make it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec import Augmentation, Header, LabelBatch, Labels, Writer
from labelcodec.codecs.projector.compact import ProjectorLabels

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Content:
    """What a decoder must give.

    Attributes:
        header: the header map.
        names: image names, if the file has them.
        batches: the batches, in any order.
    """

    header: dict[str, Any]
    names: Sequence[str] | None
    batches: Sequence[LabelBatch]

    def arrays(self) -> Arrays:
        """All of it as named arrays."""
        out = {"header": np.array(json.dumps(self.header, sort_keys=True, default=bytes.hex))}
        if self.names is not None:
            out["names"] = np.array(self.names, np.str_)
        for batch in sorted(self.batches, key=lambda batch: batch.number):
            out |= {f"batch{batch.number}.{name}": a for name, a in arrays_of(batch).items()}
        return out


def arrays_of(batch: LabelBatch) -> Arrays:
    """A batch as named arrays; what it lacks is left out."""
    labels, augmentation = batch.labels, batch.augmentation
    crop, mix, drawn = augmentation.crop, augmentation.mix, augmentation.randaugment
    named: dict[str, Any] = {
        "number": batch.number,
        "epoch": batch.epoch,
        "image_index": batch.image_index,
        "crop_box": None if crop is None else crop.box,
        "crop_size": None if crop is None else crop.size,
        "crop_precision": None if crop is None else crop.precision,
        "flip": augmentation.flip,
        "mix_partner": None if mix is None else mix.partner,
        "mix_ratio": None if mix is None else mix.ratio,
        "mix_kind": None if mix is None else mix.kind,
        "mix_box": None if mix is None else mix.box,
        "cutout": augmentation.cutout,
        "seeds": augmentation.seeds,
        "randaugment_op": None if drawn is None else drawn.op,
        "randaugment_decision": None if drawn is None else drawn.decision,
        "randaugment_magnitude": None if drawn is None else drawn.magnitude,
        "randaugment_dtypes": None if drawn is None else drawn.magnitude_dtypes,
        "label_index": labels.index,
        **label_values(labels),
        "label_floor": labels.floor,
        "label_count": labels.count,
        **sequences_of(batch),
    }
    return {name: np.asarray(value) for name, value in named.items() if value is not None}


def sequences_of(batch: LabelBatch) -> dict[str, Any]:
    """The token sequences of a batch, if it has some."""
    if (sequences := batch.sequences) is None:
        return {}
    return {
        "sequence_length": sequences.length,
        "sequence_start": sequences.start,
        "sequence_prompt": sequences.prompt,
        "sequence_digest": sequences.digest,
        "sequence_names": sequences.names,
        "tokens": sequences.tokens,
        "loss_mask": sequences.mask,
    }


def label_values(labels: Labels) -> dict[str, Any]:
    """The values, or for labels that only images give, the tables that they are computed with."""
    if not isinstance(labels.compact, ProjectorLabels):
        return {"label_value": labels.value if labels.compact is None else labels.dense()}
    tables = labels.compact.tables
    weight, bias = tables.head.weight(), tables.head.bias
    out = {"head_weight": weight, "head_bias": bias, "probe": tables.probe}
    for layer in tables.layers:
        out |= {f"{layer.name}.down": layer.down.values(), f"{layer.name}.up": layer.up.values()}
    return out


def store(
    path: Path,
    header: Header,
    codec: str,
    batches: Sequence[LabelBatch],
    *,
    fit: Sequence[LabelBatch] | None = None,
    names: Sequence[str] | None = None,
    allow_nonfinite: bool = False,
) -> Content:
    """Write a container whose tables are fitted to `fit`, or to the batches."""
    with Writer(path, header, codec, names=names, allow_nonfinite=allow_nonfinite) as writer:
        writer.fit(batches if fit is None else fit)
        for batch in batches:
            writer.add(batch)
        stored = [writer.prepare(batch) for batch in batches]
        return Content(writer.header.to_map(), names, stored)


def logits(seed: int, rows: int, classes: int) -> NDArray[np.float64]:
    """(rows, classes) values in which classes depend on each other, as a teacher's do."""
    rng = np.random.default_rng(seed)
    topics = rng.normal(size=(4, classes))
    weights = rng.normal(scale=2, size=(rows, 4))
    value: NDArray[np.float64] = (weights[:, :, None] * topics).sum(axis=1)
    return value + rng.normal(scale=0.5, size=(rows, classes))


def softmax(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of logits."""
    power = np.exp(value - value.max(axis=1, keepdims=True))
    share: NDArray[np.float64] = power / power.sum(axis=1, keepdims=True)
    return share


def bfloat16(value: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values cut to bfloat16, held in float32."""
    return (value.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def dense_batch(
    value: NDArray[Any],
    *,
    number: int = 0,
    epoch: int = 0,
    augmentation: Augmentation | None = None,
    **labels: Any,
) -> LabelBatch:
    """A batch of full labels; its images are counted from its number on."""
    index = number % 100 + np.arange(len(value), dtype=np.int64)
    kept = Labels(value.shape[1], value, **labels)
    return LabelBatch(number, epoch, index, augmentation or Augmentation(), kept)

"""Labels as probabilities, as FKD stores them, from a container of logits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelcodec.batch import LabelBatch, Labels
from labelcodec.codecs import registry
from labelcodec.progress import Progress
from labelcodec.reader import Reader
from labelcodec.reader import open as open_containers
from labelcodec.transcode.encode_batches import write


def as_probabilities(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Store the softmax of full logits, at temperature 1, in float16.

    What is left of top-k labels then is known: marginal smoothing (FKD's MS) shares the missing
    probability among the other classes, renormalisation (MR) leaves them out.

    Args:
        source: container of full logits.
        target: the container to write; an interrupted run is continued.
        progress: called with batches done and total batches.
    """
    with open_containers(source) as reader:
        write(
            _Probabilities(reader),
            target,
            replace(reader.header, space="probabilities", precision="float16"),
            registry.parse("dense"),
            source_bytes=source.stat().st_size,
            lengths=reader.index.samples.tolist(),
            names=reader.names,
            resume=True,
            progress=progress,
        )


@dataclass(frozen=True)
class _Probabilities:
    reader: Reader

    def __len__(self) -> int:
        return len(self.reader)

    def read(self, i: int) -> LabelBatch:
        """Batch i with probabilities in place of logits."""
        batch = self.reader[i]
        logits = batch.labels.value.astype(np.float32)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        value = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float16)
        return replace(batch, labels=Labels(batch.labels.classes, value, space="probabilities"))

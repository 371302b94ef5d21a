"""Golden files of top-k labels that keep different numbers of classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelcodec import Header, LabelBatch
from labelcodec.kept_counts import pad
from spec.vector_cases.content import Content, logits, softmax, store
from spec.vector_cases.topk import kept_batch

CLASSES, K = 20, 5


def floor(path: Path) -> Content:
    """1 to 5 of 20 float16 logits, bit for bit, with a floor; the second batch has 5 of each."""
    value = logits(41, 48, CLASSES).astype(np.float16)
    index = np.argsort(-value, axis=1, kind="stable")[:, :K]
    kept = np.take_along_axis(value, index, axis=1)
    lowest = value.min(axis=1)
    header = Header(CLASSES, k=K, tail="floor")
    whole = [
        kept_batch(index[rows], kept[rows], CLASSES, number=n, tail="floor", floor=lowest[rows])
        for n, rows in enumerate((slice(32), slice(32, 48)))
    ]
    count = np.arange(32) % K + 1
    return store(path, header, "topk", [varying(whole[0], count), whole[1]])


def step_zero(path: Path) -> Content:
    """The 3 or 5 largest logits in steps of 0.25; the others have probability 0."""
    value = logits(42, 24, CLASSES).astype(np.float32)
    index = np.argsort(-value, axis=1, kind="stable")[:, :K]
    batch = kept_batch(index, np.take_along_axis(value, index, axis=1), CLASSES)
    header = Header(CLASSES, k=K, tail="zero", precision="float32")
    batch = replace(batch, labels=replace(batch.labels, precision="float32"))
    return store(path, header, "topk:step=0.25", [varying(batch, 3 + 2 * (np.arange(24) % 2))])


def uniform(path: Path) -> Content:
    """Probabilities whose rest is shared equally, some in the uncompressed form: a class twice."""
    value = softmax(logits(43, 16, CLASSES)).astype(np.float32)
    index = np.argsort(-value, axis=1, kind="stable")[:, :K]
    kept = np.take_along_axis(value, index, axis=1)
    index[3, 1] = index[3, 0]
    batch = kept_batch(
        index, kept, CLASSES, tail="uniform", space="probabilities", precision="float32"
    )
    header = Header(CLASSES, "probabilities", "float32", "uniform", K)
    return store(path, header, "topk", [varying(batch, np.repeat([2, 4, 5, 1], 4))])


def varying(batch: LabelBatch, count: NDArray[np.int64]) -> LabelBatch:
    """The batch with labels that keep only their first `count` classes."""
    return replace(batch, labels=pad(batch.labels, count))


CASES = (floor, step_zero, uniform)

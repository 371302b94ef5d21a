"""Top-k labels as LPQLD and FKD store them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from distortion import Coded, Data

from labelcodec import LabelBatch
from labelcodec.analysis.fidelity import log_softmax
from labelcodec.batch import Labels
from labelcodec.codecs import registry
from labelcodec.formats.batch_list import build_batch_list

MR: Literal["zero"] = "zero"  # FKD's words: the rest is dropped and the kept renormalised, or
MS: Literal["uniform"] = "uniform"  # what is missing to 1 is shared by the rest
Tail = Literal["zero", "uniform"]


def lpqld(data: Data, k: int) -> Iterator[Coded]:
    """LPQLD's files: k logits in fp16, their classes in int16.

    Bytes are what each file grows by, against the same file without the two label tensors: the
    zip's own bytes are left to the augmentation.
    """
    codec = registry.parse(f"topk:k={k}")
    kept = [replace(batch, labels=codec.prepare(batch.labels)) for batch in data.batches]
    size = sum(map(_growth, kept)) / len(data.truth)
    dense = np.concatenate([batch.labels.dense() for batch in kept])
    labels = Labels(data.truth.classes, dense)
    yield Coded("LPQLD top-k", f"k={k}", {"label tensors": size}, labels)


def _growth(batch: LabelBatch) -> int:
    parts = build_batch_list(batch, "lpqld", {})
    return _file_bytes(parts) - _file_bytes(parts[:-2])


def _file_bytes(parts: list[Any]) -> int:
    file = io.BytesIO()
    torch.save(parts, file)
    return file.tell()


def fkd(data: Data, k: int, tail: Tail) -> Iterator[Coded]:
    """FKD's arrays: k classes and k probabilities, both in fp32 or both in fp16.

    Bytes are those of the array alone; its files, one an image, take more.
    """
    kind = {MR: "MR", MS: "MS"}[tail]
    for dtype in (np.float16, np.float32):
        kept = marginal_softmax(data.truth, k, tail, dtype)
        size = 2 * k * np.dtype(dtype).itemsize
        setting = f"k={k} {np.dtype(dtype).name}"
        yield Coded(f"FKD {kind}", setting, {"label array": size}, _expanded(kept))


def _expanded(kept: Labels) -> Labels:
    """Dense probabilities; the rest of 1 is found in float64, where it does not cancel."""
    assert kept.index is not None
    value = kept.value.astype(np.float64)
    total = value.sum(axis=1, keepdims=True)
    rest = (1 - total) / (kept.classes - value.shape[1]) if kept.tail == MS else 0 * total
    dense = np.repeat(rest.astype(np.float32), kept.classes, axis=1)
    np.put_along_axis(dense, kept.index, value.astype(np.float32), axis=1)
    return Labels(kept.classes, dense, space="probabilities")


def marginal_softmax(labels: Labels, k: int, tail: Tail, dtype: type[np.floating]) -> Labels:
    """The k largest probabilities at temperature 1.

    Where rounding would make their sum 1 or more, which leaves the rest nothing or less, they are
    rounded down.
    """
    p = np.exp(log_softmax(labels.value.astype(np.float64)))
    index = np.argsort(-p, axis=1, kind="stable")[:, :k]
    exact = np.take_along_axis(p, index, axis=1)
    value = exact.astype(dtype)
    full = value.sum(axis=1, dtype=np.float64, keepdims=True) >= 1
    value = np.where(full & (value > exact), np.nextafter(value, dtype(0)), value)
    precision: Any = np.dtype(dtype).name
    return Labels(labels.classes, value, index, "probabilities", tail, precision)

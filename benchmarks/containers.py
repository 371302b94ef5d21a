"""Labels through labelcodec's own containers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from distortion import Coded, Data
from truncated import MS, marginal_softmax

import labelcodec
from labelcodec import Header
from labelcodec.analysis.breakdown import stats as breakdown
from labelcodec.batch import Labels
from labelcodec.transcode.encode_dump import encode

COUNTED = ("label values", "label index", "side information", "framing and index")


def container(data: Data, series: str, spec: str) -> Iterator[Coded]:
    """The dump encoded as a user would."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.slc"
        encode(data.source, path, codec=spec)
        yield _read(path, series, spec)


def ms_container(data: Data, k: int) -> Iterator[Coded]:
    """FKD's MS labels in fp16, bit for bit in the topk codec."""
    labels = [marginal_softmax(batch.labels, k, MS, np.float16) for batch in data.batches]
    header = Header(data.truth.classes, "probabilities", tail=MS, k=k, mix="cutmix")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.slc"
        with labelcodec.Writer(path, header, "topk") as writer:
            for batch, other in zip(data.batches, labels, strict=True):
                writer.add(replace(batch, labels=other))
        yield _read(path, "FKD MS in topk", f"k={k}")


def _read(path: Path, series: str, setting: str) -> Coded:
    """All framing and all tables of the file count as the labels'."""
    with labelcodec.open(path) as reader:
        found = breakdown(reader)
        dense = np.concatenate([reader[i].labels.dense() for i in range(len(reader))])
        labels = Labels(found.classes, dense, space=reader.header.space)
    parts = {name: found.components[name] / found.labels for name in COUNTED}
    return Coded(series, setting, parts, labels)

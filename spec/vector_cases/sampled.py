"""Golden files of the sampled codec."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from labelcodec import Header
from spec.vector_cases import sequences
from spec.vector_cases.content import Content, dense_batch, logits, store


def dense(path: Path) -> Content:
    """Sixteen draws from each of 24 labels of 40 classes, in two batches."""
    value = logits(331, 24, 40).astype(np.float16)
    batches = [dense_batch(value[:16]), dense_batch(value[16:], number=1)]
    return store(path, Header(40), "sampled:n=16,seed=7", batches)


def top_k(path: Path) -> Content:
    """Draws from top-6 labels of token sequences."""
    header = Header(sequences.CLASSES, k=6, tail="zero", kind="tokens", shift=1)
    return store(path, header, "sampled:n=20", [sequences.batch(0, (5, 1, 9))])


def single(path: Path) -> Content:
    """One draw per label: no counts are stored."""
    batch = dense_batch(logits(332, 9, 12).astype(np.float16))
    return store(path, Header(12), "sampled:n=1", [batch])


def kept(path: Path) -> Content:
    """Three kept classes and twelve draws: in places all of the probability is kept."""
    value = logits(333, 24, 40).astype(np.float16)
    value[5] = -100
    value[5, [3, 17]] = 0
    batches = [dense_batch(value[:16]), dense_batch(value[16:], number=1)]
    return store(path, Header(40), "sampled:n=12,keep=3", batches)


def texts(path: Path) -> Content:
    """The text's own token kept beside draws from top-6 labels with a floor."""
    header = Header(sequences.CLASSES, k=6, tail="floor", kind="tokens", shift=1)
    batch = sequences.batch(4, (5, 1, 9))
    floor = batch.labels.value.min(axis=1) - np.float16(1)
    batch = replace(batch, labels=replace(batch.labels, tail="floor", floor=floor))
    return store(path, header, "sampled:n=20,keep=1", [batch])


CASES = (dense, top_k, single, kept, texts)

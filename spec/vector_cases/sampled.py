"""Golden files of the sampled codec."""

from __future__ import annotations

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


CASES = (dense, top_k, single)

"""Batches of token sequences for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelcodec import Augmentation, LabelBatch, Labels
from labelcodec.sequences import Sequences, token_digest

CLASSES = 300


def batch(number: int = 0, lengths: tuple[int, ...] = (5, 1, 8), k: int = 4, **parts: Any):
    """A batch with top-k labels, tokens and digests; `parts` replace fields of its sequences."""
    rng = np.random.default_rng(number)
    length = np.array(lengths, np.int64)
    samples = int(length.sum())
    tokens = rng.integers(0, CLASSES, samples).astype(np.int32)
    pieces = np.split(tokens, np.cumsum(length)[:-1])
    whole = {
        "length": length,
        "start": np.zeros(len(length), np.int64),
        "digest": np.stack([token_digest(piece) for piece in pieces]),
        "tokens": tokens,
        **parts,
    }
    index = np.argsort(rng.random((samples, CLASSES)), axis=1)[:, :k]
    value = -np.sort(rng.gamma(1.0, 2.0, (samples, k)), axis=1).astype(np.float16)
    labels = Labels(CLASSES, value, index, "logits", "zero", "float16")
    sequence = np.repeat(10 * number + np.arange(len(length)), length)
    return LabelBatch(number, 0, sequence, Augmentation(), labels, Sequences(**whole))

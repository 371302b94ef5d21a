"""Golden files of token sequences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec import Augmentation, Header, LabelBatch, Labels, Sequences
from labelcodec.sequences import token_digest
from spec.vector_cases.content import Content, logits, store

CLASSES = 40


def batch(number: int, lengths: tuple[int, ...], k: int | None = 6, **parts: Any) -> LabelBatch:
    """A batch of sequences with top-k or, without k, full labels."""
    rng, samples = np.random.default_rng(300 + number), sum(lengths)
    value = logits(310 + number, samples, CLASSES).astype(np.float16)
    index = None
    if k is not None:
        index = np.argsort(-value, axis=1, kind="stable")[:, :k]
        value = np.take_along_axis(value, index, axis=1)
    tail: Any = None if k is None else "zero"
    length = np.array(lengths, np.int64)
    tokens = rng.integers(0, CLASSES, samples).astype(np.int32)
    digests = [token_digest(piece) for piece in np.split(tokens, np.cumsum(length)[:-1])]
    whole: dict[str, Any] = {
        "length": length,
        "start": np.zeros_like(length),
        "digest": np.stack(digests),
        "tokens": tokens,
        **parts,
    }
    number_of = np.repeat(100 * number + np.arange(len(length)), length)
    labels = Labels(CLASSES, value, index, tail=tail)
    return LabelBatch(number, 0, number_of, Augmentation(), labels, Sequences(**whole))


def top_k(path: Path) -> Content:
    """Top-6 labels of next tokens: token ids, digests, names, prompts and a loss mask."""
    named = batch(
        0,
        (5, 1, 9),
        names=("first", "", "naïve"),
        prompt=np.array([2, 0, 4]),
        mask=np.arange(15) % 3 > 0,
    )
    tokenizer = {"name": "characters", "size": CLASSES}
    header = Header(
        CLASSES, k=6, tail="zero", kind="tokens", shift=1, temperature=1.0, tokenizer=tokenizer
    )
    return store(path, header, "topk", [named, batch(1, (7,))])


def spread(path: Path) -> Content:
    """Full labels of one long sequence, spread over two batches, without token ids."""
    first, second = (
        batch(number, (8,), None, start=np.array([8 * number]), digest=None, tokens=None)
        for number in range(2)
    )
    header = Header(CLASSES, kind="tokens", shift=0)
    return store(path, header, "dense", [first, second])


def ranked(path: Path) -> Content:
    """Token ids by their rank in the labels: most are among the classes, some are not."""
    batches = []
    for number, lengths in ((0, (40, 3)), (1, (1, 1, 50))):
        plain = batch(number, lengths)
        assert plain.labels.index is not None and plain.sequences is not None
        rng = np.random.default_rng(320 + number)
        tokens = plain.labels.index[np.arange(-1, len(plain) - 1), rng.integers(0, 3, len(plain))]
        tokens[rng.random(len(plain)) < 0.2] = CLASSES - 1
        own = replace(plain.sequences, tokens=tokens.astype(np.int32), digest=None)
        batches.append(replace(plain, sequences=own))
    header = Header(CLASSES, k=6, tail="zero", kind="tokens", shift=1)
    return store(path, header, "topk", batches)


def vocabulary(path: Path) -> Content:
    """Few of 6000 classes occur: the class order lists these."""
    few = batch(3, (9, 4))
    assert few.labels.index is not None
    labels = replace(few.labels, classes=6000, index=few.labels.index * 97 + 11)
    header = Header(6000, k=6, tail="zero", kind="tokens", shift=1)
    return store(path, header, "topk", [replace(few, labels=labels)])


CASES = (top_k, spread, ranked, vocabulary)

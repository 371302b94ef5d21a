"""Golden files of the dense2 codec."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelcodec import Header
from spec.vector_cases.content import Content, bfloat16, dense_batch, logits, softmax, store

RANKED = "dense2:rank=4"


def float16(path: Path) -> Content:
    """float16 logits in two batches."""
    value = logits(1, 24, 12).astype(np.float16)
    batches = [dense_batch(value[:16]), dense_batch(value[16:], number=1)]
    return store(path, Header(12), RANKED, batches)


def bfloat16_(path: Path) -> Content:
    """bfloat16 logits, which float32 holds; some cells are narrower than the values are apart."""
    value = logits(2, 16, 12)
    value[3] *= 300
    batch = dense_batch(bfloat16(value), precision="bfloat16")
    return store(path, Header(12, precision="bfloat16"), RANKED, [batch])


def float32(path: Path) -> Content:
    """float32 logits with all their bits."""
    batch = dense_batch(logits(3, 16, 12).astype(np.float32), precision="float32")
    return store(path, Header(12, precision="float32"), RANKED, [batch])


def half_in_float32(path: Path) -> Content:
    """float32 logits that came out of half precision: 13 zero bits are dropped from each."""
    value = logits(4, 16, 12).astype(np.float16).astype(np.float32)
    batch = dense_batch(value, precision="float32")
    return store(path, Header(12, precision="float32"), RANKED, [batch])


def probabilities(path: Path) -> Content:
    """float32 probabilities: most are in the two cells next to 0."""
    value = softmax(logits(5, 16, 12)).astype(np.float32)
    batch = dense_batch(value, space="probabilities", precision="float32")
    header = Header(12, space="probabilities", precision="float32")
    return store(path, header, RANKED, [batch])


def nonfinite(path: Path) -> Content:
    """NaNs with payload bits, one signalling, infinities, both zeros and a subnormal in float16."""
    value = logits(6, 16, 12).astype(np.float16)
    odd = [0x7E01, 0xFE55, 0x7C00, 0xFC00, 0x0000, 0x8000, 0x0001, 0x7DFF]
    value.ravel()[3::20][: len(odd)] = np.array(odd, np.uint16).view(np.float16)
    return store(path, Header(12), RANKED, [dense_batch(value)])


def escapes(path: Path) -> Content:
    """A second batch unlike the first, to which alone the tables were fitted."""
    first = dense_batch(logits(7, 16, 12).astype(np.float16))
    other = dense_batch((logits(8, 16, 12) * 400).astype(np.float16), number=1, epoch=1)
    return store(path, Header(12), RANKED, [first, other], fit=[first])


def zeros(path: Path) -> Content:
    """Logits that a ReLU cut off: many are 0."""
    value = np.maximum(logits(9, 16, 12), 0).astype(np.float16)
    return store(path, Header(12), RANKED, [dense_batch(value)])


def no_basis(path: Path) -> Content:
    """Rank 0: every label is predicted by the mean label."""
    value = logits(10, 16, 12).astype(np.float16)
    return store(path, Header(12), "dense2:rank=0", [dense_batch(value)])


def four_lanes(path: Path) -> Content:
    """Enough values for four rANS lanes."""
    value = logits(11, 128, 33).astype(np.float16)
    return store(path, Header(33), "dense2", [dense_batch(value)])


def empty_tables(path: Path) -> Content:
    """Tables that were fitted to nothing."""
    value = logits(12, 4, 5).astype(np.float16)
    return store(path, Header(5), "dense2", [dense_batch(value)], fit=[])


def tables_of_another_type(path: Path) -> Content:
    """Tables for float16 and a batch of float32: the plain form."""
    batch = dense_batch(logits(13, 8, 5).astype(np.float32), precision="float32")
    return store(path, Header(5, precision="float32"), "dense2", [batch], fit=[])


bfloat16_.__name__ = "bfloat16"

CASES = (
    float16,
    bfloat16_,
    float32,
    half_in_float32,
    probabilities,
    nonfinite,
    escapes,
    zeros,
    no_basis,
    four_lanes,
    empty_tables,
    tables_of_another_type,
)

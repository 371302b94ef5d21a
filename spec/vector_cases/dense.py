"""Golden files of the dense codec."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelcodec import Header
from spec.vector_cases.content import Content, bfloat16, dense_batch, logits, softmax, store


def float16(path: Path) -> Content:
    """float16 logits in two batches, classes in an order of their own."""
    value = logits(1, 24, 12).astype(np.float16)
    batches = [dense_batch(value[:16]), dense_batch(value[16:], number=1)]
    return store(path, Header(12), "dense", batches)


def bfloat16_(path: Path) -> Content:
    """bfloat16 logits, which float32 holds."""
    batch = dense_batch(bfloat16(logits(2, 16, 12)), precision="bfloat16")
    return store(path, Header(12, precision="bfloat16"), "dense", [batch])


def float32(path: Path) -> Content:
    """float32 logits with all their bits."""
    batch = dense_batch(logits(3, 16, 12).astype(np.float32), precision="float32")
    return store(path, Header(12, precision="float32"), "dense", [batch])


def half_in_float32(path: Path) -> Content:
    """float32 logits that came out of half precision: 13 zero bits are dropped from each."""
    value = logits(4, 16, 12).astype(np.float16).astype(np.float32)
    batch = dense_batch(value, precision="float32")
    return store(path, Header(12, precision="float32"), "dense", [batch])


def probabilities(path: Path) -> Content:
    """float32 probabilities."""
    value = softmax(logits(5, 16, 12)).astype(np.float32)
    batch = dense_batch(value, space="probabilities", precision="float32")
    header = Header(12, space="probabilities", precision="float32")
    return store(path, header, "dense", [batch])


def nonfinite(path: Path) -> Content:
    """NaNs with payload bits, one signalling, infinities, both zeros and a subnormal in float16."""
    value = logits(6, 16, 12).astype(np.float16)
    odd = [0x7E01, 0xFE55, 0x7C00, 0xFC00, 0x0000, 0x8000, 0x0001, 0x7DFF]
    value.ravel()[3::20][: len(odd)] = np.array(odd, np.uint16).view(np.float16)
    return store(path, Header(12), "dense", [dense_batch(value)])


def escapes(path: Path) -> Content:
    """A second batch unlike the first, to which alone the tables were fitted."""
    first = dense_batch(logits(7, 16, 12).astype(np.float16))
    other = dense_batch((logits(8, 16, 12) * 400).astype(np.float16), number=1, epoch=1)
    return store(path, Header(12), "dense", [first, other], fit=[first])


def empty_tables(path: Path) -> Content:
    """Tables fitted to nothing: no symbol but the escape, which takes no bits."""
    batch = dense_batch(logits(9, 6, 5).astype(np.float16))
    return store(path, Header(5), "dense", [batch], fit=[])


def tables_of_another_type(path: Path) -> Content:
    """Tables for float16 and a batch of float32: the plain form."""
    batch = dense_batch(logits(10, 6, 5).astype(np.float32), precision="float32")
    return store(path, Header(5, precision="float32"), "dense", [batch], fit=[])


def one_value(path: Path) -> Content:
    """One sample of one class."""
    return store(path, Header(1), "dense", [dense_batch(np.array([[-2.5]], np.float16))])


def four_lanes(path: Path) -> Content:
    """4160 values, which take four rANS lanes, the last row of symbols full."""
    value = bfloat16(np.round(logits(11, 32, 130)))
    batch = dense_batch(value, precision="bfloat16")
    return store(path, Header(130, precision="bfloat16"), "dense", [batch])


bfloat16_.__name__ = "bfloat16"

CASES = (
    float16,
    bfloat16_,
    float32,
    half_in_float32,
    probabilities,
    nonfinite,
    escapes,
    empty_tables,
    tables_of_another_type,
    one_value,
    four_lanes,
)

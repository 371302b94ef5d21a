"""Golden files of the topk codec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec import Augmentation, Header, LabelBatch, Labels
from spec.vector_cases.content import Content, bfloat16, dense_batch, logits, softmax, store


def kept_batch(
    index: NDArray[Any], value: NDArray[Any], classes: int, *, number: int = 0, **labels: Any
) -> LabelBatch:
    """A batch of labels that are top-k already."""
    labels = {"tail": "zero", **labels}
    kept = Labels(classes, value, index.astype(np.int64), **labels)
    return LabelBatch(number, 0, np.arange(len(value)) // 64, Augmentation(), kept)


def float16(path: Path) -> Content:
    """The 5 largest of 20 float16 logits, bit for bit, in two batches."""
    value = logits(21, 24, 20).astype(np.float16)
    batches = [dense_batch(value[:16]), dense_batch(value[16:], number=1)]
    return store(path, Header(20), "topk:k=5", batches)


def bfloat16_(path: Path) -> Content:
    """The 5 largest of 20 bfloat16 logits, with ties."""
    batch = dense_batch(bfloat16(np.round(logits(22, 16, 20))), precision="bfloat16")
    return store(path, Header(20, precision="bfloat16"), "topk:k=5", [batch])


def float32(path: Path) -> Content:
    """The 5 largest of 20 float32 logits: differences of up to 32 bits."""
    batch = dense_batch(logits(23, 16, 20).astype(np.float32), precision="float32")
    return store(path, Header(20, precision="float32"), "topk:k=5", [batch])


def half_in_float32(path: Path) -> Content:
    """float32 logits that came out of half precision: 13 zero bits are dropped from each."""
    value = logits(24, 16, 20).astype(np.float16).astype(np.float32)
    batch = dense_batch(value, precision="float32")
    return store(path, Header(20, precision="float32"), "topk:k=5", [batch])


def step(path: Path) -> Content:
    """Logits of either sign as multiples of 0.3; zero has no sign."""
    batch = dense_batch((logits(25, 16, 20) - 3).astype(np.float16))
    return store(path, Header(20), "topk:k=8,step=0.3", [batch])


def step_floor(path: Path) -> Content:
    """Multiples of a step and a floor, which is float32 then."""
    batch = dense_batch(logits(37, 16, 20).astype(np.float16))
    return store(path, Header(20), "topk:k=5,step=0.25,tail=floor", [batch])


def step_plain(path: Path) -> Content:
    """Multiples of a step that are too large to be coded: the plain form."""
    value = logits(38, 4, 8).astype(np.float32) * np.float32(1e9)
    batch = dense_batch(value, precision="float32")
    return store(path, Header(8, precision="float32"), "topk:k=3,step=0.25", [batch])


def floor(path: Path) -> Content:
    """The smallest logit of each sample stands for those left out."""
    batch = dense_batch(logits(26, 16, 20).astype(np.float16))
    return store(path, Header(20), "topk:k=5,tail=floor", [batch])


def tail_zero(path: Path) -> Content:
    """Probabilities, the rest of which counts as nothing."""
    value = softmax(logits(27, 16, 20)).astype(np.float16)
    batch = dense_batch(value, space="probabilities")
    return store(path, Header(20, space="probabilities"), "topk:k=5", [batch])


def tail_uniform(path: Path) -> Content:
    """Probabilities, the rest of which is shared by the classes left out."""
    value = softmax(logits(28, 16, 20)).astype(np.float32)
    batch = dense_batch(value, space="probabilities", precision="float32")
    header = Header(20, space="probabilities", precision="float32")
    return store(path, header, "topk:k=5,tail=uniform", [batch])


def hard(path: Path) -> Content:
    """One class with probability 1 for every sample: all values are the same."""
    index = np.random.default_rng(29).integers(0, 20, (16, 1))
    batch = kept_batch(index, np.ones((16, 1), np.float16), 20, space="probabilities")
    header = Header(20, space="probabilities", tail="zero", k=1)
    return store(path, header, "topk", [batch])


def constant_step(path: Path) -> Content:
    """All values are the same negative multiple of the step."""
    index = np.array([[3, 1, 0], [0, 2, 4]])
    batch = kept_batch(index, np.full((2, 3), -1.5, np.float16), 5)
    return store(path, Header(5, tail="zero", k=3), "topk:step=0.5", [batch])


def ties_by_class(path: Path) -> Content:
    """Equal values stand in order of class: they need no arrangement."""
    value = np.round(logits(30, 16, 20)) + 0.0  # no -0, which lies below +0
    batch = dense_batch(value.astype(np.float16))
    return store(path, Header(20), "topk:k=8", [batch])


def ties_in_source_order(path: Path) -> Content:
    """Equal values stand in the source's order, which is kept."""
    rng = np.random.default_rng(31)
    index = np.stack([rng.permutation(20)[:8] for _ in range(16)])
    value = -np.sort(-rng.integers(-3, 3, (16, 8)), axis=1).astype(np.float16)
    return store(path, Header(20, tail="zero", k=8), "topk", [kept_batch(index, value, 20)])


def all_classes(path: Path) -> Content:
    """K = C: all gaps are 0, only the arrangement is left."""
    batch = dense_batch(logits(32, 16, 9).astype(np.float16))
    return store(path, Header(9), "topk:k=9", [batch])


def nonfinite(path: Path) -> Content:
    """NaN above infinity above numbers, as their bits order them, and a negative NaN below."""
    bits = np.array([[0x7E01, 0x7C00, 0x3C00], [0x3C00, 0x8000, 0xFE00]], np.uint16)
    batch = kept_batch(np.array([[4, 2, 0], [1, 3, 4]]), bits.view(np.float16), 5)
    header = Header(5, tail="zero", k=3)
    return store(path, header, "topk", [batch], allow_nonfinite=True)


def duplicates(path: Path) -> Content:
    """A class twice in one label: the plain form."""
    index = np.array([[3, 3, 0], [0, 2, 4]])
    value = np.array([[2.5, 1.5, 0.25], [9, 8, -8]], np.float16)
    return store(path, Header(5, tail="zero", k=3), "topk", [kept_batch(index, value, 5)])


def rising_values(path: Path) -> Content:
    """Values that do not fall: the plain form, of bfloat16 in four bytes a value."""
    index = np.array([[3, 1, 0], [0, 2, 4]])
    value = np.array([[0.25, 1.5, 2.5], [9, 8, -8]], np.float32)
    header = Header(5, precision="bfloat16", tail="zero", k=3)
    return store(path, header, "topk", [kept_batch(index, value, 5, precision="bfloat16")])


def escapes(path: Path) -> Content:
    """A second batch unlike the first, to which alone the tables were fitted."""
    first = dense_batch(np.round(logits(33, 16, 60)[:, ::-1] * 4).astype(np.float16))
    other = dense_batch((logits(34, 16, 60) * 900).astype(np.float16), number=1, epoch=1)
    return store(path, Header(60), "topk:k=6", [first, other], fit=[first])


def empty_tables(path: Path) -> Content:
    """Tables fitted to nothing: every symbol is escaped."""
    batch = dense_batch(logits(35, 6, 40).astype(np.float32), precision="float32")
    return store(path, Header(40, precision="float32"), "topk:k=4", [batch], fit=[])


def two_lanes(path: Path) -> Content:
    """2051 symbols a stream in two rANS lanes, the last row of symbols not full."""
    rng = np.random.default_rng(36)
    index = rng.integers(0, 6, (2051, 1))
    value = rng.choice(np.array([0.5, 1], np.float16), (2051, 1), p=[0.05, 0.95])
    batch = kept_batch(index, value, 6, space="probabilities")
    header = Header(6, space="probabilities", tail="zero", k=1)
    return store(path, header, "topk", [batch])


def thirty_two_lanes(path: Path) -> Content:
    """32768 symbols a stream, the fewest that take all 32 lanes."""
    index = np.tile(np.arange(16), (2048, 1)) + (np.arange(2048) % 7 == 0)[:, None]
    value = np.tile(np.where(np.arange(2048) % 50, 1.0, 0.5)[:, None], (1, 16)).astype(np.float16)
    return store(path, Header(17, tail="zero", k=16), "topk", [kept_batch(index, value, 17)])


bfloat16_.__name__ = "bfloat16"

CASES = (
    float16,
    bfloat16_,
    float32,
    half_in_float32,
    step,
    step_floor,
    step_plain,
    floor,
    tail_zero,
    tail_uniform,
    hard,
    constant_step,
    ties_by_class,
    ties_in_source_order,
    all_classes,
    nonfinite,
    duplicates,
    rising_values,
    escapes,
    empty_tables,
    two_lanes,
    thirty_two_lanes,
)

"""Labels with a decaying spectrum and a few large logits, as teachers give them."""

from __future__ import annotations

import numpy as np

from labelcodec.batch import Labels
from labelcodec.codecs.components import LABEL_INDEX, LABEL_VALUES
from labelcodec.codecs.transform.coder import TransformCoder


def logits(count: int, classes: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    axes = np.random.default_rng(classes).standard_normal((classes, classes))
    spread = 3.0 / np.arange(1, classes + 1)
    z = rng.standard_normal((count, classes)) * spread @ axes.T
    z[np.arange(count), rng.integers(classes, size=count)] += rng.exponential(6, size=count)
    return (z * scale).astype(np.float16)


def batches(count: int, classes: int, seed: int = 0, size: int = 32) -> list[Labels]:
    z = logits(count, classes, seed)
    return [Labels(classes, z[i : i + size]) for i in range(0, count, size)]


def code(coder: TransformCoder, labels: Labels) -> Labels:
    """Encoded and decoded."""
    streams = {key: memoryview(data) for key, data in coder.encode(labels).items()}
    blank = Labels(labels.classes, np.zeros((0, 0), np.float16))
    return coder.decode(streams, len(labels), blank)


def same(a, b) -> bool:
    names = ("coefficients", "counts", "places", "residuals")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


STREAMS = (LABEL_INDEX, LABEL_VALUES)

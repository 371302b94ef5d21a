"""Golden files of the vq codec; what must come out is what the library reads, as for transform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from labelcodec import Header, LabelBatch
from labelcodec import open as open_labels
from spec.vector_cases.content import Content, dense_batch, store
from spec.vector_cases.transform import teacher


def _coded(
    path: Path, codec: str, batches: Sequence[LabelBatch], fit: Sequence[LabelBatch]
) -> Content:
    content = store(path, Header(fit[0].labels.classes), f"vq:{codec}", batches, fit=fit)
    with open_labels(path) as reader:
        return replace(content, batches=list(reader))


def codes(path: Path) -> Content:
    """Three codes per label and a tail correction, in two batches."""
    value = teacher(61, 256, 20)
    batches = [dense_batch(value[:9]), dense_batch(value[9:14], number=1)]
    return _coded(path, "codes=3", batches, [dense_batch(value)])


def image_means(path: Path) -> Content:
    """Coefficients that are predicted from the means of four images."""
    value = teacher(62, 256, 12)
    value += np.tile(teacher(63, 4, 12), (64, 1))
    fit = replace(dense_batch(value), image_index=np.arange(256) % 4)
    batch = replace(dense_batch(value[:16]), image_index=np.arange(16) % 4)
    return _coded(path, "codes=2", [batch], [fit])


CASES = (codes, image_means)

"""Golden files of seeds of another project's augmentations."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelcodec import Augmentation
from spec.vector_cases.augmentation import ROWS, augmented
from spec.vector_cases.content import Content


def seeds(path: Path) -> Content:
    """A seed for each sample; the second batch has none."""
    own = np.random.default_rng(61).integers(-(1 << 31), 1 << 31, ROWS).astype(np.int32)
    return augmented(path, Augmentation(seeds=own), Augmentation())


CASES = (seeds,)

"""Golden files of the header's descriptive keys."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from labelcodec import Header
from labelcodec.binding.agreement import Agreement
from labelcodec.binding.pixels import PixelSample
from spec.vector_cases.container import small
from spec.vector_cases.content import Content, store


def described(path: Path) -> Content:
    """Labels that say how they were made, and from which images."""
    cells = np.random.default_rng(0).integers(0, 256, 3 * 48).astype(np.uint8)
    header = Header(
        4,
        images=3,
        stems=hashlib.sha256(b"ape/1\nbee/2\nbee/3\n").hexdigest(),
        pixels=PixelSample("0f" * 32, cells.tobytes()),
        class_names=("bee", "", "ape", "zebra-\u00e9t\u00e9"),
        agreement=Agreement(5, 3),
        teacher={"name": "resnet18"},
        license="CC-BY-4.0",
        note="example",
    )
    return store(path, header, "dense", small(0))


def nothing_compared(path: Path) -> Content:
    """No label was compared, and no class is named."""
    header = Header(4, class_names=("",) * 4, agreement=Agreement(0, 0))
    return store(path, header, "dense", small(0))


CASES = (described, nothing_compared)

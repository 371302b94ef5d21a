"""A label set in memory, with the byte counts it is told to have."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from labelcodec.augmentation.crop import Crop
from labelcodec.augmentation.mix import Mix
from labelcodec.augmentation.parts import Augmentation
from labelcodec.batch import LabelBatch, Labels
from labelcodec.header import Header


@dataclass(frozen=True)
class FakeUsage:
    tables: tuple[np.ndarray, ...]
    fixed_bits: float
    coded_bytes: int


@dataclass
class FakeReader:
    header: Header
    samples: list[int]
    components: list[dict[str, int]]
    overhead: dict[str, int]
    paths: tuple[Path, ...]
    uses: list[dict[str, FakeUsage]] = field(default_factory=list)
    sides: list[tuple[int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def index(self) -> Any:
        return SimpleNamespace(samples=np.array(self.samples, np.int64))

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.paths)

    def processes(self, threads: int | None) -> int | None:
        return threads

    def component_bytes(self, i: int) -> dict[str, int]:
        return self.components[i]

    def overhead_bytes(self) -> dict[str, int]:
        return self.overhead

    def side(self, i: int) -> tuple[int, int]:
        return self.sides[i] if self.sides else (0, 0)

    def missing_codec(self) -> None:
        return None

    def chosen(self) -> list[dict[str, Any]]:
        return []

    def usage(self, i: int) -> tuple[LabelBatch, dict[str, FakeUsage]]:
        return make_batch(i), self.uses[i] if self.uses else {}


def make_batch(number: int = 0, size: int = 6, classes: int = 10, seed: int = 0) -> LabelBatch:
    """A CutMix batch with dense float16 logits."""
    rng = np.random.default_rng([seed, number])
    box = rng.integers(1, 100, (size, 4)).astype(np.int32)
    crop = Crop(box, np.full((size, 2), 224, np.int32))
    mix = Mix("cutmix", rng.permutation(size), 0.25, (3, 9, 0, 224))
    value = rng.normal(0, 3, (size, classes)).astype(np.float16)
    augmentation = Augmentation(crop, rng.random(size) > 0.5, mix)
    return LabelBatch(number, 0, rng.permutation(size), augmentation, Labels(classes, value))

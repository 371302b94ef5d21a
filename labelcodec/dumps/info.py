"""What is known of a dump after opening it, and what every opened dump can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch, Precision, Space, Tail

Layout = Literal["sre2l", "lpld", "lpqld", "fkd"]
LAYOUTS: tuple[Layout, ...] = ("sre2l", "lpld", "lpqld", "fkd")


@dataclass(frozen=True, eq=False)
class DumpInfo:
    """A dump in numbers.

    Attributes:
        layout: whose layout it is.
        classes: C.
        classes_guessed: nothing in the dump says C and nobody gave it; it is the smallest of
            1000, 10450 and 21841 that holds every class index that was looked at.
        images: how many images the labels speak of.
        epochs: epochs present.
        batches: batches present; for fkd one a file.
        samples: labels present, None where only reading every file would tell.
        bytes: size on disk of all files that belong to the dump, side files included.
        files: how many files that is.
        mix: how images were mixed, None for not at all.
        space, tail, k, precision: as in `Labels`; tail and k are None when dense.
        types: kinds and dtypes of every part, plain enough for msgpack; `write_dump` restores
            the dump's own tensors from it.
        image_order: one sentence: where the image order came from and how it was checked.
        names: fkd only: file names relative to the dump, in image order.
    """

    layout: Layout
    classes: int
    classes_guessed: bool
    images: int
    epochs: int
    batches: int
    samples: int | None
    bytes: int
    files: int
    mix: Literal["cutmix", "mixup"] | None
    space: Space
    tail: Tail | None
    k: int | None
    precision: Precision
    types: Mapping[str, Any]
    image_order: str
    names: tuple[str, ...] | None = None


class Dump(Protocol):
    """An opened dump. It can be pickled, so that worker processes can read from it."""

    @property
    def info(self) -> DumpInfo:
        """What is known of it."""

    def __len__(self) -> int:
        """Number of batches."""

    def file(self, i: int) -> Path:
        """The label file of batch i."""

    def image_index(self, i: int) -> NDArray[np.int64]:
        """(B,) image indices of batch i, from what opening the dump told; (1,) for fkd."""

    def read(self, i: int) -> LabelBatch:
        """Batch i, counted in (epoch, batch) order.

        Raises:
            DumpError: naming the file and what is wrong with it.
        """
